#!/usr/bin/env bash
# The tests of etcd3gw, a Python client of the JSON gateway, from its published package, against ENDPOINT.
#
# usage: etcd3gw.sh DIR ENDPOINT   DIR keeps the package.
set -euo pipefail

version=2.7.0
dir=$1
export TOOZ_TEST_ETCD_PORT=${2##*:} TOOZ_TEST_HTTP_URL=http://$2

if [ ! -d "$dir/etcd3gw-$version.dist-info" ] || [ ! -d "$dir/oslotest" ]; then
  python3 -m pip install --quiet --target "$dir" "etcd3gw==$version" oslotest
fi
export PYTHONPATH=$dir
# Its tests of watches wait for seconds, so each has a process of its own.
watches=(test_watch_key test_watch_huge_payload test_watch_prefix)
pids=()
for test in "${watches[@]}"; do
  python3 -m unittest --quiet "etcd3gw.tests.test_etcd3gw.TestEtcd3Gateway.$test" > "$dir/$test.log" 2>&1 &
  pids+=($!)
done
rest=$(python3 - "${watches[@]}" << 'PY'
import sys
import unittest

def cases(suite):
    for item in suite:
        yield from cases(item) if isinstance(item, unittest.TestSuite) else [item.id()]

loaded = unittest.defaultTestLoader.loadTestsFromNames(["etcd3gw.tests.test_etcd3gw", "etcd3gw.tests.test_client"])
print(*(name for name in cases(loaded) if name.rsplit(".", 1)[1] not in sys.argv[1:]))
PY
)
# Words, one for each test.
# shellcheck disable=SC2086
python3 -m unittest --quiet $rest > "$dir/rest.log" 2>&1 || { tail -50 "$dir/rest.log"; exit 1; }
for i in "${!pids[@]}"; do
  wait "${pids[i]}" || { tail -50 "$dir/${watches[i]}.log"; exit 1; }
done
grep -h '^Ran ' "$dir"/*.log
echo "etcd3gw $version passed against $2"
