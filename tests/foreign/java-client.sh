#!/usr/bin/env bash
# A program on jetcd, as a user of it would write one, against mini-etcd and against etcd itself, on one member and on three of each:
# keys, transactions, watches and an election through kills of the leader, leases, locks, TLS and users. What fails on etcd too is a mistake
# of the program.
#
# usage: java-client.sh DIR   DIR keeps packages and build. TEST_BIN_DIR has the binaries of mini-etcd, ETCD_BIN names an etcd, which is
#                             left out when it is not set. Needs Java 17, Maven, OpenSSL 3, Python 3 and Maven's packages.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
dir=$(mkdir -p "${1:?"usage: java-client.sh DIR"}" && cd "$1" && pwd)
mvn -q -B -f "$here/java-client/pom.xml" "-Dmaven.repo.local=$dir/java/repository" "-Dtarget=$dir/java/target" \
  compile dependency:copy-dependencies
"$here/members.sh" java -cp "$dir/java/target/classes:$dir/java/target/dependency/*" client.Main
echo "jetcd passed"
