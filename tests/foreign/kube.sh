#!/usr/bin/env bash
# A real kube-apiserver on mini-etcd, on one member and on three: objects, watches, pages, namespaces, a deployment, an event,
# which needs a lease. Fails when something is missing, or when the apiserver's log has a single rpc error.
#
# usage: kube.sh DIR   DIR keeps what is built of Kubernetes (at first about 15 minutes of one core); TEST_BIN_DIR has the
#                      binaries of mini-etcd. Needs Go 1.26, openssl and the Go modules' proxy.
set -euo pipefail

version=1.37.2
objects=300

here=$(cd "$(dirname "$0")" && pwd)

build() {
  local dir=$1 source
  [ -x "$dir/kube-apiserver" ] && [ -x "$dir/kubectl" ] && return
  mkdir -p "$dir/source/apiserver" "$dir/source/kubectl"
  cd "$dir/source"
  source=$(go mod download -json "k8s.io/kubernetes@v$version" | python3 -c 'import json, sys; print(json.load(sys.stdin)["GoMod"])')
  {
    printf 'module kube\ngo 1.26.0\nrequire k8s.io/kubernetes v%s\n' "$version"
    # The parts that Kubernetes publishes beside itself have the number 0 in its own list.
    sed -nE "s|^\t(k8s.io/[a-z-]+) v0.0.0\$|replace \1 => \1 v0.${version#1.}|p" "$source"
  } > go.mod
  cat > apiserver/main.go << 'GO'
package main

import (
	"os"

	"k8s.io/component-base/cli"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

func main() { os.Exit(cli.Run(app.NewAPIServerCommand())) }
GO
  cat > kubectl/main.go << 'GO'
package main

import (
	"k8s.io/component-base/cli"
	"k8s.io/kubectl/pkg/cmd"
)

func main() {
	if err := cli.RunNoErrOutput(cmd.NewDefaultKubectlCommand()); err != nil {
		panic(err)
	}
}
GO
  GOFLAGS=-mod=mod go mod tidy > /dev/null 2>&1
  # One package at a time: two need more memory than a small machine has.
  GOFLAGS=-mod=mod go build -p 1 -o "$dir/kube-apiserver" ./apiserver
  GOFLAGS=-mod=mod go build -p 1 -o "$dir/kubectl" ./kubectl
  rm -rf "$dir/source"
}

trial() {
  local dir=$1 port
  shift
  work=$(mktemp -d)
  cd "$work"
  port=$("$here/../suites/free-ports.py")
  openssl genrsa -out key 2048 2> /dev/null
  echo 'token,admin,1,"system:masters"' > tokens
  "$dir/kube-apiserver" --etcd-servers="$(printf ',http://%s' "$@" | cut -c2-)" --secure-port="$port" \
    --bind-address=127.0.0.1 --advertise-address=127.0.0.1 --cert-dir=certificates --token-auth-file=tokens \
    --service-account-issuer=https://kubernetes.default --service-account-key-file=key \
    --service-account-signing-key-file=key --service-cluster-ip-range=10.0.0.0/24 --authorization-mode=AlwaysAllow \
    --endpoint-reconciler-type=none --disable-admission-plugins=ServiceAccount > apiserver.log 2>&1 &
  apiserver=$!
  trap 'kill $apiserver $watching 2> /dev/null; rm -rf "$work"' EXIT
  watching=$apiserver
  kubectl() { "$dir/kubectl" --server="https://127.0.0.1:$port" --insecure-skip-tls-verify --token=token "$@"; }
  for _ in $(seq 120); do
    kubectl get --raw /readyz > /dev/null 2>&1 && break
    sleep 1
  done
  kubectl get --raw /readyz > /dev/null || { tail -20 apiserver.log; return 1; }
  kubectl get configmaps --all-namespaces --watch > watched 2>&1 &
  watching=$!
  for number in $(seq "$objects"); do
    printf -- '---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c%s, namespace: default}\ndata: {text: "%0500d"}\n' "$number" 1
  done > objects.yaml
  kubectl apply -f objects.yaml > /dev/null
  [ "$(kubectl get configmaps --no-headers | grep -c '^c[0-9]')" = "$objects" ] || { echo "not all objects are listed"; return 1; }
  [ "$(kubectl get --raw '/api/v1/configmaps?limit=50' | grep -o '"uid"' | wc -l)" = 50 ] || { echo "a page is not one"; return 1; }
  kubectl create namespace trial > /dev/null
  kubectl --namespace trial create deployment app --image=none > /dev/null
  kubectl label configmap c1 a=b > /dev/null
  kubectl delete configmap c2 > /dev/null
  printf 'apiVersion: v1\nkind: Event\nmetadata: {name: e1, namespace: default}\ninvolvedObject: {kind: Pod, name: p, namespace: default}\nreason: r\nmessage: m\ntype: Normal\n' \
    | kubectl create -f - > /dev/null
  for _ in $(seq 30); do
    # The head, one line for each object, one for the label and one for the removal.
    [ "$(wc -l < watched)" -ge $((objects + 3)) ] && break
    sleep 1
  done
  [ "$(wc -l < watched)" -ge $((objects + 3)) ] || { echo "the watch saw $(wc -l < watched) lines"; return 1; }
  if grep -m 5 'rpc error' apiserver.log; then return 1; fi
  echo "kube-apiserver $version on $# member(s): $objects objects, watch, pages, namespace, deployment, event; no rpc error"
}

case ${1:?"usage: kube.sh DIR"} in
  --trial) shift; trial "$@" ;;
  *)
    dir=$(mkdir -p "$1" && cd "$1" && pwd)
    (build "$dir")
    for size in 1 3; do
      "$here/../suites/with-cluster.sh" "$size" "$here/kube.sh" --trial "$dir"
    done
    ;;
esac
