#!/usr/bin/env bash
# Members for the programs of other languages' clients: runs a command beside a fresh cluster, in turn on one member and on three, in
# plain text and with TLS, of etcd where ETCD_BIN names one, and of mini-etcd (TEST_BIN_DIR has its binaries). The first command that
# fails ends it.
#
# usage: members.sh COMMAND...        COMMAND is called with `plain` or `secure` behind its arguments, and finds in its environment:
#                                     MEMBERS_ADDRESSES (HOST:PORT, with blanks between them), MEMBERS_DIR (ca.pem, and NAME.pem
#                                     and NAME.key of root, writer and nobody) and MEMBERS:
#        $MEMBERS kill-leader         SIGKILL for the member that leads
#        $MEMBERS start               starts all members that do not run, and waits until each answers
#
# SIZES and PARTS choose less than all: SIZES="1 3", PARTS="plain secure".
set -euo pipefail

certificates() {
  local new=(openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2)
  "${new[@]}" -subj /CN=authority -keyout "$1/ca.key" -out "$1/ca.pem"
  for name in member root writer nobody; do
    "${new[@]}" -subj "/CN=$name" -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=CA:FALSE \
      -CA "$1/ca.pem" -CAkey "$1/ca.key" -keyout "$1/$name.key" -out "$1/$name.pem"
  done
}

# Our own client, as root, for whatever the command does not do by the client under test.
ctl() {
  local files=() scheme=http
  if [ -e "$MEMBERS_DIR/ca.pem" ]; then
    scheme=https
    files=(--cacert "$MEMBERS_DIR/ca.pem" --cert "$MEMBERS_DIR/root.pem" --key "$MEMBERS_DIR/root.key")
  fi
  "$TEST_BIN_DIR/mini-etcdctl" --endpoints "$scheme://$1" "${files[@]}" --command-timeout 2s "${@:2}" 2> /dev/null
}

running() {
  # One that ended has no `exe`, also while nobody has asked how it ended.
  [ -e "$MEMBERS_DIR/$1.pid" ] && [ -e "/proc/$(cat "$MEMBERS_DIR/$1.pid")/exe" ]
}

gone() {
  ! running "$1"
}

answers() {
  ctl "$1" get ready > /dev/null
}

# Waits until a command succeeds.
until_so() {
  for _ in $(seq 300); do
    "$@" && return
    sleep 0.1
  done
  return 1
}

start() {
  read -ra addresses <<< "$MEMBERS_ADDRESSES"
  for number in "${!addresses[@]}"; do
    running "$number" && continue
    mapfile -t line < "$MEMBERS_DIR/$number.command"
    setsid "${line[@]}" < /dev/null >> "$MEMBERS_DIR/$number.err" 2>&1 &
    echo $! > "$MEMBERS_DIR/$number.pid"
    disown
  done
  for address in "${addresses[@]}"; do
    until_so answers "$address" || { echo "$address does not answer" >&2; exit 1; }
  done
}

# Finds the number of the member that leads.
find_leader() {
  for number in "${!addresses[@]}"; do
    ctl "${addresses[number]}" endpoint status -w json | python3 -c '
import json, sys
status = json.load(sys.stdin)[0]["Status"]
sys.exit(status["leader"] != status["header"]["member_id"])' 2> /dev/null && return
  done
  return 1
}

# Kills the member of that number, and waits until it is gone.
kill_one() {
  kill -KILL "$(cat "$MEMBERS_DIR/$1.pid")" 2> /dev/null || true
  until_so gone "$1"
}

kill_leader() {
  read -ra addresses <<< "$MEMBERS_ADDRESSES"
  until_so find_leader || { echo "nobody leads" >&2; exit 1; }
  kill_one "$number"
}

stop() {
  for file in "$MEMBERS_DIR"/*.pid; do
    kill_one "$(basename "$file" .pid)"
  done
  rm -rf "$MEMBERS_DIR"
}

# Runs the command beside members of that kind and number, which live as long as it does.
run() {
  export MEMBERS_ADDRESSES="" MEMBERS_DIR
  local kind=$1 size=$2 part=$3 scheme=http all="" peers=()
  shift 3
  MEMBERS_DIR=$(mktemp -d)
  trap stop EXIT
  mapfile -t addresses < <("$(dirname "$0")/../suites/free-ports.py" $((2 * size)))
  addresses=("${addresses[@]/#/127.0.0.1:}")
  # One port of mini-etcd serves clients and peers.
  peers=("${addresses[@]:$([ "$kind" = etcd ] && echo "$size" || echo 0):$size}")
  addresses=("${addresses[@]:0:$size}")
  MEMBERS_ADDRESSES=${addresses[*]}
  flags=()
  if [ "$part" = secure ]; then
    scheme=https
    certificates "$MEMBERS_DIR" 2> /dev/null
    flags=("--cert-file=$MEMBERS_DIR/member.pem" "--key-file=$MEMBERS_DIR/member.key" "--trusted-ca-file=$MEMBERS_DIR/ca.pem"
      --client-cert-auth "--peer-cert-file=$MEMBERS_DIR/member.pem" "--peer-key-file=$MEMBERS_DIR/member.key"
      "--peer-trusted-ca-file=$MEMBERS_DIR/ca.pem" --peer-client-cert-auth)
  fi
  for number in "${!peers[@]}"; do
    all+=${all:+,}n$number=$scheme://${peers[number]}
  done
  for number in "${!addresses[@]}"; do
    local url=$scheme://${addresses[number]} peer=$scheme://${peers[number]}
    if [ "$kind" = etcd ]; then
      # A busy machine changes the leader less often with these times.
      line=("$ETCD_BIN" "--name=n$number" "--data-dir=$MEMBERS_DIR/n$number" "--listen-client-urls=$url" "--advertise-client-urls=$url"
        "--listen-peer-urls=$peer" "--initial-advertise-peer-urls=$peer" "--initial-cluster=$all" --log-level=error
        --heartbeat-interval=130 --election-timeout=1300)
    else
      line=("$TEST_BIN_DIR/mini-etcd" "--name=n$number" "--data=$MEMBERS_DIR/n$number" "--listen=${addresses[number]}" "--peers=$all")
    fi
    printf '%s\n' "${line[@]}" "${flags[@]}" > "$MEMBERS_DIR/$number.command"
  done
  echo "$kind, $size member(s), $part"
  if ! { start && "$@" "$part"; }; then
    tail -n 20 "$MEMBERS_DIR"/*.err >&2
    echo "FAILED: $kind, $size member(s), $part" >&2
    exit 1
  fi
}

case "${1:?"usage: members.sh COMMAND..."}" in
  start) start ;;
  kill-leader) kill_leader ;;
  *)
    MEMBERS=$(cd "$(dirname "$0")" && pwd)/$(basename "$0")
    export MEMBERS
    # An etcd takes each variable with that beginning for a flag of its own.
    export -n ETCD_BIN
    for kind in ${ETCD_BIN:+etcd} mini; do
      for size in ${SIZES:-1 3}; do
        for part in ${PARTS:-plain secure}; do
          (run "$kind" "$size" "$part" "$@")
        done
      done
    done
    ;;
esac
