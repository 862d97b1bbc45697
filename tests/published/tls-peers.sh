# Three members that show each other certificates, as in its third example and etcd's hack/tls-setup. No warnings.
CLUSTER='infra1=https://10.0.1.10:2380,infra2=https://10.0.1.11:2380,infra3=https://10.0.1.12:2380'
number=1
for ip in 10.0.1.10 10.0.1.11 10.0.1.12; do
  etcd --name infra$number --data-dir infra$number \
    --cert-file=/path/to/member$number.crt --key-file=/path/to/member$number.key \
    --peer-client-cert-auth --peer-trusted-ca-file=/path/to/ca.crt \
    --peer-cert-file=/path/to/member$number.crt --peer-key-file=/path/to/member$number.key \
    --listen-client-urls https://$ip:2379 --advertise-client-urls https://$ip:2379 \
    --initial-advertise-peer-urls=https://$ip:2380 --listen-peer-urls=https://$ip:2380 \
    --initial-cluster-token etcd-cluster-1 --initial-cluster "$CLUSTER" --initial-cluster-state new
  number=$((number + 1))
done
