#!/usr/bin/env bash
# A failover of PostgreSQL by Patroni, whose `etcd3` backend speaks the JSON gateway: two databases, a row, the end of the first
# by SIGKILL, the row at the second, which must write too. Fails when a step does not come about in time.
#
# usage: patroni.sh ENDPOINT...   as tests/suites/with-cluster.sh calls it. Needs Debian's patroni and postgresql-15, and root.
set -euo pipefail

bin=/usr/lib/postgresql/15/bin
dir=$(mktemp -d)
chown postgres "$dir"
hosts=$(IFS=,; echo "$*")
mapfile -t ports < <("$(dirname "$0")/../suites/free-ports.py" 4)
groups=()
cleanup() {
  for group in "${groups[@]}"; do kill -9 -- "-$group" 2> /dev/null || true; done
  for data in "$dir"/d?; do
    runuser -u postgres -- "$bin/pg_ctl" -D "$data" -m immediate stop > /dev/null 2>&1 || true
  done
  rm -rf "$dir"
}
trap cleanup EXIT

start() {
  local name=$1 rest=$2 sql=$3
  cat > "$dir/$name.yml" << YML
scope: t
name: $name
restapi: {listen: 127.0.0.1:$rest, connect_address: 127.0.0.1:$rest}
etcd3: {hosts: [$hosts]}
bootstrap:
  dcs: {ttl: 20, loop_wait: 3, retry_timeout: 5}
  initdb: [{encoding: UTF8}, data-checksums]
  pg_hba: [host all all 127.0.0.1/32 md5, host replication r 127.0.0.1/32 md5]
postgresql:
  listen: 127.0.0.1:$sql
  connect_address: 127.0.0.1:$sql
  data_dir: $dir/d${name#p}
  bin_dir: $bin
  authentication: {superuser: {username: postgres, password: x}, replication: {username: r, password: x}}
  parameters: {unix_socket_directories: $dir}
YML
  setsid runuser -u postgres -- patroni "$dir/$name.yml" > "$dir/$name.log" 2>&1 &
  groups+=($!)
}

# The state that a Patroni shows.
wait_for() {
  local what=$1 rest=$2 path=$3
  for _ in $(seq 240); do
    if curl -sf "http://127.0.0.1:$rest/$path" > /dev/null; then
      echo "$what after $SECONDS s"
      return
    fi
    sleep 0.5
  done
  echo "no $what"
  tail -n 30 "$dir"/*.log
  exit 1
}

sql() {
  PGPASSWORD=x "$bin/psql" -qtA -h 127.0.0.1 -U postgres -p "$1" -c "$2" postgres
}

start p1 "${ports[0]}" "${ports[1]}"
wait_for "p1 leads" "${ports[0]}" primary
start p2 "${ports[2]}" "${ports[3]}"
wait_for "p2 follows" "${ports[2]}" replica
sql "${ports[1]}" "create table t (n int); insert into t values (7)"
for _ in $(seq 100); do
  [ "$(sql "${ports[3]}" "select n from t" 2> /dev/null)" = 7 ] && break
  sleep 0.2
done
kill -9 -- "-${groups[0]}"
# PostgreSQL has a group of its own.
kill -9 "$(head -1 "$dir/d1/postmaster.pid")"
wait_for "p2 leads" "${ports[2]}" primary
sql "${ports[3]}" "insert into t values (8)"
[ "$(sql "${ports[3]}" "select sum(n) from t")" = 15 ] || { echo "rows are missing"; exit 1; }
start p1 "${ports[0]}" "${ports[1]}"
wait_for "p1 is back and follows" "${ports[0]}" replica
if grep -h -E 'Traceback|Etcd3Exception|Etcd3ClientError' "$dir"/*.log; then
  echo "Patroni met an error of the gateway"
  exit 1
fi
patroni --version
echo "a failover of PostgreSQL on $hosts passed"
