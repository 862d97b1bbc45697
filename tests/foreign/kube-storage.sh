#!/usr/bin/env bash
# Kubernetes' own tests of its store in etcd and of its watch cache (`pkg/storage/etcd3` and `pkg/storage/cacher` of k8s.io/apiserver),
# each test on a fresh mini-etcd in the place of the etcd that they embed (`kube-storage/testserver.go`). The tests that fail must be
# those of `kube-storage/exceptions`, which says why, no more and no less. On an etcd none may fail.
#
# usage: kube-storage.sh DIR   DIR keeps the tests' source. TEST_BIN_DIR has the binaries of mini-etcd, ETCD_BIN names an etcd of 3.7,
#                              which is left out when it is not set. Needs Go 1.26, Python 3 and the Go modules' proxy. At first some
#                              minutes of one core for what is compiled, then 3 to 4 for each server, most of which the tests wait.
#                              Some wait 150 ms for an event, so that nothing else should keep the machine busy.
set -euo pipefail

version=0.37.2

here=$(cd "$(dirname "$0")" && pwd)/kube-storage
dir=$(mkdir -p "${1:?"usage: kube-storage.sh DIR"}" && cd "$1" && pwd)
# An etcd takes each variable with that beginning for a flag of its own.
export -n ETCD_BIN

# A copy, since nothing in the cache of modules may be replaced (`go help build`, -overlay).
source=$dir/apiserver-$version
if [ ! -e "$source/go.mod" ]; then
  module=$(cd "$dir" && go mod download -json "k8s.io/apiserver@v$version" | python3 -c 'import json, sys; print(json.load(sys.stdin)["Dir"])')
  rm -rf "$source.new"
  cp -r --no-preserve=mode "$module" "$source.new"
  mv "$source.new" "$source"
fi
cp "$here/testserver.go" "$source/pkg/storage/etcd3/testserver/test_server.go"

# Runs the suite on that server, and compares what failed with a list.
run() {
  local server=$1 exceptions=$2 begin=$SECONDS
  # Two packages at a time would compete, and need more memory than a small machine has.
  (cd "$source" && TEST_SERVER_BIN=$server go test -p 1 -count 1 -timeout 20m -json ./pkg/storage/etcd3/... ./pkg/storage/cacher/...) \
    > "$dir/results" 2> "$dir/errors" || true
  echo "$("$server" --version | head -1), k8s.io/apiserver $version, $((SECONDS - begin)) s:"
  python3 - "$dir/results" "$exceptions" << 'PY' || { tail -n 20 "$dir/errors"; return 1; }
import collections, json, sys
ended, output = {}, collections.defaultdict(list)
for line in open(sys.argv[1]):
    event = json.loads(line)
    name = event.get("Package", event.get("ImportPath", "")).removeprefix("k8s.io/apiserver/pkg/storage/")
    name += "".join(f" {test}" for test in [event.get("Test")] if test)
    if event["Action"] in ("pass", "fail", "skip"):
        ended[name] = event["Action"]
    elif event["Action"] in ("output", "build-output"):
        output[name].append(event["Output"])
failed = {name for name, action in ended.items() if action == "fail"}
# A test fails with each of its parts, a package with each of its tests.
failed = {name for name in failed if not any(other.startswith((name + "/", name + " ")) for other in failed)}
tests = [action for name, action in ended.items() if " " in name]
print(f"{tests.count('pass')} tests and parts of tests passed, {tests.count('skip')} skipped themselves")
excepted = {line.strip() for line in open(sys.argv[2]) if line.strip() and not line.startswith("#")}
for name in sorted(failed - excepted):
    print(f"FAILED: {name}\n" + "".join(output[name][-60:]), end="")
for name in sorted(excepted - failed):
    print(f"{ended.get(name, 'not run')}, and should fail: {name}")
print(f"{len(failed & excepted)} of {len(excepted)} exceptions failed as they should")
sys.exit(failed != excepted or not tests)
PY
}

if [ -n "${ETCD_BIN:-}" ]; then
  run "$(realpath "$ETCD_BIN")" /dev/null
fi
run "$(realpath "$TEST_BIN_DIR/mini-etcd")" "$here/exceptions"
