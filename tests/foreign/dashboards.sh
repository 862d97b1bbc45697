#!/usr/bin/env bash
# etcd's published dashboard and alert rules (`contrib/mixin` of its module), and ours, by a real Prometheus on a healthy cluster:
# each panel of either shows data, and no alert is pending or fires. Fails with the expressions that find nothing.
#
# usage: dashboards.sh ENDPOINT...   as tests/suites/with-cluster.sh calls it. Needs Debian's prometheus, Go, curl, python3.
# TEST_BIN_DIR holds the binaries; ETCD_VERSION is the module's version (default v3.7.0).
set -euo pipefail

version=${ETCD_VERSION:-v3.7.0}
here=$(cd "$(dirname "$0")/../.." && pwd)
dir=$(mktemp -d)
pids=()
cleanup() {
  kill "${pids[@]}" 2> /dev/null || true
  wait "${pids[@]}" 2> /dev/null || true
  rm -rf "$dir"
}
trap cleanup EXIT

mixin=$(cd "$dir" && go mod download -json "go.etcd.io/etcd/v3@$version" | python3 -c 'import json, sys; print(json.load(sys.stdin)["Dir"])')/contrib/mixin
go run github.com/google/go-jsonnet/cmd/jsonnet@v0.20.0 -e \
  "((import '$mixin/alerts/alerts.libsonnet') + (import '$mixin/config.libsonnet')).prometheusAlerts" > "$dir/etcd.json"
cp "$here/assets/dashboards/alerts.yaml" "$dir/ours.yaml"

targets=$(printf '"%s",' "$@")
port=$("$here/tests/suites/free-ports.py")
cat > "$dir/prometheus.yml" << YML
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: ["etcd.json", "ours.yaml"]
scrape_configs:
  - job_name: etcd
    static_configs: [{targets: [${targets%,}], labels: {cluster: it}}]
YML
promtool check config "$dir/prometheus.yml"
prometheus --config.file "$dir/prometheus.yml" --storage.tsdb.path "$dir/data" --web.listen-address "127.0.0.1:$port" \
  > "$dir/prometheus.log" 2>&1 &
pids+=($!)

# Clients: puts, gets, a lease that is kept, a watch.
ctl=("$TEST_BIN_DIR/mini-etcdctl" --endpoints "$(IFS=,; echo "$*")")
"${ctl[@]}" watch --prefix k > /dev/null & pids+=($!)
lease=$("${ctl[@]}" lease grant 600 | awk '{print $2}')
"${ctl[@]}" lease keep-alive "$lease" > /dev/null & pids+=($!)
until_time=$((SECONDS + ${SCRAPE_SECONDS:-60}))
while [ $SECONDS -lt $until_time ]; do
  "${ctl[@]}" put "k$((RANDOM % 100))" v > /dev/null
  "${ctl[@]}" get --prefix k --limit 3 > /dev/null
done

python3 - "$port" "$mixin" "$here/assets/dashboards/grafana.json" << 'PY'
import json, math, re, sys, urllib.parse, urllib.request
port, mixin, ours = sys.argv[1:]

def ask(path, **query):
    url = f"http://127.0.0.1:{port}/api/v1/{path}?" + urllib.parse.urlencode(query)
    return json.load(urllib.request.urlopen(url))["data"]

# What our panels show only when something is wrong, or is in use.
QUIET = ["mini_etcd_tls_", 'grpc_code!="OK"', "max(etcd_mvcc_db_total_size_in_bytes"]
expressions = []
text = open(f"{mixin}/dashboards/targets.libsonnet").read()
for expression, values in re.findall(r"'([^'\n]*%[^'\n]*\{[^'\n]*|[^'\n]*\{%[^'\n]*)'\s*% (\[[^\]]*\]|config)", text):
    expression = expression.replace("%(etcd_selector)s", 'job=~".*etcd.*"').replace("%(clusterLabel)s", "cluster")
    expression = expression.replace("%s", 'job=~".*etcd.*"', 1).replace("%s", "cluster").replace("$cluster", "it")
    expressions.append(expression)
published = len(expressions)
assert published >= 15, f"the mixin's panels are not understood: {published}"
for panel in json.load(open(ours))["panels"]:
    expressions += [t["expr"].replace("$job", "etcd") for t in panel.get("targets", [])]
assert len(expressions) > published + 30
empty = []
for expression in expressions:
    expression = expression.replace("$__rate_interval", "15s")
    values = [float(it["value"][1]) for it in ask("query", query=expression)["result"]]
    if not any(not math.isnan(value) for value in values) and not any(quiet in expression for quiet in QUIET):
        empty.append(expression)
alerts = ask("alerts")["alerts"]
rules = [rule for group in ask("rules")["groups"] for rule in group["rules"]]
ill = [rule["name"] for rule in rules if rule["health"] != "ok"]
print(f"{published} panels of etcd's dashboard, {len(expressions) - published} expressions of ours, {len(rules)} rules")
for what, found in [("without data", empty), ("alert", alerts), ("rule that fails", ill)]:
    for it in found:
        print(f"{what}: {it}")
sys.exit(bool(empty or alerts or ill))
PY
