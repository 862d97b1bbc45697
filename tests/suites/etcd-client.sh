#!/usr/bin/env bash
# The tests of the crate etcd-client, from its published source, against each ENDPOINT; and the one that changes the membership
# against a cluster of its own, of as many members.
# The servers have MINI_ETCD_AUTH_TOKEN_TTL=2, for the tests wait until a token has ended.
#
# usage: etcd-client.sh DIR ENDPOINT...   DIR keeps source and build; PROTOC names a protoc for the crate's own build,
#   ETCDCTL_BIN an etcdctl, TEST_BIN_DIR holds the binaries.
set -euo pipefail

version=0.21.1
tests=(test_put test_get test_delete test_compact test_txn test_watch test_status test_hash test_hash_kv
  test_grant_revoke test_keep_alive test_time_to_live test_leases test_lock test_election test_alarm test_defragment
  test_remove_and_add_endpoint test_role test_user test_auth test_auth_refresh_token
  test_auth_refresh_token_once_for_concurrent_calls test_snapshot)
suites=$(cd "$(dirname "$0")" && pwd)

# Everything but the membership, against one endpoint.
all() {
  local endpoint=$1 size=$2
  # Whom its tests log in as; there already behind the first endpoint of a cluster.
  "$ETCDCTL_BIN" --endpoints "$endpoint" user add root:rootpwd > /dev/null 2>&1 || true
  "$ETCDCTL_BIN" --endpoints "$endpoint" user grant-role root root > /dev/null
  cargo test --quiet --test client -- --exact "${tests[@]}"
  # With other members it asks for a header that MoveLeader has in no etcd.
  [ "$size" -gt 1 ] || cargo test --quiet --test client -- --exact test_move_leader
  cargo test --quiet --test client -- --ignored --exact test_get_stream test_get_stream_chunked
  cargo test --quiet --test namespace -- --exact test_namespace_kv
}

# The test adds a learner, waits until it can be promoted, and removes it: the member is started once it is in the list.
membership() {
  local endpoint=$1 data member port
  data=$(mktemp -d)
  port=$("$suites/free-ports.py")
  sed -i -E "s#(let node4 = )\"[^\"]*\"#\1\"http://127.0.0.1:$port\"#" tests/client.rs
  (
    for _ in $(seq 3000); do
      list=$("$TEST_BIN_DIR/mini-etcdctl" --endpoints "$endpoint" member list 2> /dev/null || true)
      [[ $list == *":$port"* ]] && break
      sleep 0.1
    done
    exec "$TEST_BIN_DIR/mini-etcd" --name node4 --data "$data/node4" --listen "127.0.0.1:$port" --join "$endpoint" \
      > "$data/out" 2> "$data/err"
  ) &
  member=$!
  cargo test --quiet --test client -- --ignored --exact test_cluster || { cat "$data/err"; kill "$member"; return 1; }
  # A removed member ends by itself.
  local code=0
  wait "$member" || code=$?
  [ "$code" = 73 ] || { echo "node4 ended with $code"; cat "$data/err"; return 1; }
  rm -rf "$data"
}

if [ "$1" = --membership ]; then
  cd "$2"
else
  dir=$1
  shift
  mkdir -p "$dir/fetch/src"
  if [ ! -d "$dir/etcd-client-$version" ]; then
    printf '[package]\nname = "fetch"\nversion = "0.0.0"\nedition = "2024"\n[dependencies]\netcd-client = "=%s"\n[workspace]\n' \
      "$version" > "$dir/fetch/Cargo.toml"
    echo > "$dir/fetch/src/lib.rs"
    (cd "$dir/fetch" && cargo vendor --quiet --versioned-dirs vendor > /dev/null)
    cp -r "$dir/fetch/vendor/etcd-client-$version" "$dir/etcd-client-$version"
    rm -rf "$dir/fetch"
    printf '\n[workspace]\n' >> "$dir/etcd-client-$version/Cargo.toml"
  fi
  cd "$dir/etcd-client-$version"
fi

# The crate's tests have their endpoint as a constant.
ask() {
  sed -i -E "s#(DEFAULT_TEST_ENDPOINT: &str = )\"[^\"]*\"#\1\"$1\"#" tests/testing.rs
}

if [ "$1" = --membership ]; then
  echo "etcd-client $version against $3: membership"
  ask "$3"
  membership "$3"
  exit
fi
for endpoint in "$@"; do
  echo "etcd-client $version against $endpoint"
  ask "$endpoint"
  all "$endpoint" "$#"
done
"$suites/with-cluster.sh" "$#" "$suites/etcd-client.sh" --membership "$PWD"
