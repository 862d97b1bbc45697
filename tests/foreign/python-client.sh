#!/usr/bin/env bash
# A program on python-etcd3, as a user of it would write one, against mini-etcd and against etcd itself, on one member and on three of
# each: keys, transactions, watches through a kill of the leader, leases, locks, TLS and users. What fails on etcd too is a mistake of the
# program.
#
# usage: python-client.sh DIR   DIR keeps the packages. TEST_BIN_DIR has the binaries of mini-etcd, ETCD_BIN names an etcd, which is
#                               left out when it is not set. Needs Python 3, OpenSSL 3 and Python's package index.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
dir=$(mkdir -p "${1:?"usage: python-client.sh DIR"}" && cd "$1" && pwd)
[ -e "$dir/python/bin/pip" ] || python3 -m venv "$dir/python"
"$dir/python/bin/pip" install -q --disable-pip-version-check -r "$here/python-client/requirements.txt"
"$here/members.sh" "$dir/python/bin/python" -B "$here/python-client/main.py"
echo "python-etcd3 passed"
