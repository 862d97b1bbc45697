# Three members with certificates of their own making, as in its fourth example. No warnings.
CLUSTER='infra1=https://10.0.1.10:2380,infra2=https://10.0.1.11:2380,infra3=https://10.0.1.12:2380'
number=1
for ip in 10.0.1.10 10.0.1.11 10.0.1.12; do
  etcd --name infra$number --data-dir infra$number --auto-tls --peer-auto-tls --self-signed-cert-validity 1 \
    --listen-client-urls https://$ip:2379 --advertise-client-urls https://$ip:2379 \
    --initial-advertise-peer-urls=https://$ip:2380 --listen-peer-urls=https://$ip:2380 \
    --initial-cluster "$CLUSTER"
  number=$((number + 1))
done
