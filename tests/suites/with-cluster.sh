#!/usr/bin/env bash
# Runs a command with the addresses of a fresh cluster of mini-etcd behind its arguments, then stops the cluster.
#
# usage: with-cluster.sh SIZE COMMAND...   TEST_BIN_DIR holds the binaries.
set -euo pipefail

size=$1
shift
dir=$(mktemp -d)
pids=()
cleanup() {
  kill "${pids[@]}" 2> /dev/null || true
  wait "${pids[@]}" 2> /dev/null || true
  rm -rf "$dir"
}
trap cleanup EXIT

mapfile -t ports < <("$(dirname "$0")/free-ports.py" "$size")

peers=
addresses=()
for i in "${!ports[@]}"; do
  peers+=${peers:+,}n$((i + 1))=127.0.0.1:${ports[i]}
  addresses+=("127.0.0.1:${ports[i]}")
done
for i in "${!ports[@]}"; do
  name=n$((i + 1))
  "$TEST_BIN_DIR/mini-etcd" --name "$name" --data "$dir/$name" --listen "${addresses[i]}" --peers "$peers" \
    > "$dir/$name.out" 2> "$dir/$name.err" &
  pids+=($!)
done
for address in "${addresses[@]}"; do
  for _ in $(seq 300); do
    "$TEST_BIN_DIR/mini-etcdctl" --endpoints "$address" get ready > /dev/null 2>&1 && break
    sleep 0.1
  done
  "$TEST_BIN_DIR/mini-etcdctl" --endpoints "$address" get ready > /dev/null || { cat "$dir"/*.err; exit 1; }
done
"$@" "${addresses[@]}"
