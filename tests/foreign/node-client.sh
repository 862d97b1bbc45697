#!/usr/bin/env bash
# A program on npm's etcd3, as a user of it would write one, against mini-etcd and against etcd itself, on one member and on three of
# each: keys, transactions, watches and an election through kills of the leader, leases, locks, TLS and users. What fails on etcd too is a
# mistake of the program.
#
# usage: node-client.sh DIR   DIR keeps the packages. TEST_BIN_DIR has the binaries of mini-etcd, ETCD_BIN names an etcd, which is left
#                             out when it is not set. Needs Node 20, OpenSSL 3, Python 3 and npm's registry.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
dir=$(mkdir -p "${1:?"usage: node-client.sh DIR"}" && cd "$1" && pwd)
# Node looks for packages beside a program.
mkdir -p "$dir/node"
cp "$here"/node-client/* "$dir/node"
(cd "$dir/node" && npm ci --silent --ignore-scripts --no-audit --no-fund)
"$here/members.sh" node --disable-warning=DEP0123 "$dir/node/main.js"
echo "npm's etcd3 passed"
