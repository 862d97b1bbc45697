#!/usr/bin/env bash
# A program on etcd's own Go client, as a user of it would write one, against mini-etcd and against etcd itself, on one member
# and on three of each: keys, transactions, leases, watches, sessions, locks, elections, STM and the client's wrappers, through
# kills of the leader, and with TLS and users. What fails on etcd too is a mistake of the program.
#
# usage: go-client.sh DIR   DIR keeps modules and build. TEST_BIN_DIR has the binaries of mini-etcd, ETCD_BIN names an etcd,
#                           which is left out when it is not set. Needs Go 1.26 and the Go modules' proxy.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
dir=$(mkdir -p "${1:?"usage: go-client.sh DIR"}" && cd "$1" && pwd)
export GOMODCACHE=$dir/modules GOCACHE=$dir/build
(cd "$here/go-client" && go build -modcacherw -o "$dir/go-client" .)
for size in 1 3; do
  if [ -n "${ETCD_BIN:-}" ]; then
    "$dir/go-client" etcd "$ETCD_BIN" "$size"
  fi
  "$dir/go-client" mini "$TEST_BIN_DIR/mini-etcd" "$size"
done
