#!/usr/bin/env bash
# The tests of what is built (all but Cluster, Snapshot) of the crate etcd-client, from its published source, against ENDPOINT.
# The servers have MINI_ETCD_AUTH_TOKEN_TTL=2, for the tests wait until a token has ended.
#
# usage: etcd-client.sh DIR ENDPOINT...   DIR keeps source and build; PROTOC names a protoc for the crate's own build,
#   ETCDCTL_BIN an etcdctl.
set -euo pipefail

version=0.21.1
tests=(test_put test_get test_delete test_compact test_txn test_watch test_status test_hash test_hash_kv
  test_grant_revoke test_keep_alive test_time_to_live test_leases test_lock test_election test_alarm test_defragment
  test_remove_and_add_endpoint test_role test_user test_auth test_auth_refresh_token
  test_auth_refresh_token_once_for_concurrent_calls)
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
for endpoint in "$@"; do
  # The crate's tests have their endpoint as a constant.
  sed -i -E "s#(DEFAULT_TEST_ENDPOINT: &str = )\"[^\"]*\"#\1\"$endpoint\"#" tests/testing.rs
  echo "etcd-client $version against $endpoint"
  # Whom its tests log in as; there already behind the first endpoint of a cluster.
  "$ETCDCTL_BIN" --endpoints "$endpoint" user add root:rootpwd > /dev/null 2>&1 || true
  "$ETCDCTL_BIN" --endpoints "$endpoint" user grant-role root root > /dev/null
  cargo test --quiet --test client -- --exact "${tests[@]}"
  cargo test --quiet --test client -- --ignored --exact test_get_stream test_get_stream_chunked
  cargo test --quiet --test namespace -- --exact test_namespace_kv
done
