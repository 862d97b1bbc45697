# Three members as in etcd's clustering guide, with the flags of its Procfile.
# warns: --enable-pprof
CLUSTER='infra0=http://10.0.1.10:2380,infra1=http://10.0.1.11:2380,infra2=http://10.0.1.12:2380'
number=0
for ip in 10.0.1.10 10.0.1.11 10.0.1.12; do
  etcd --name infra$number --initial-advertise-peer-urls http://$ip:2380 \
    --listen-peer-urls http://$ip:2380 \
    --listen-client-urls http://$ip:2379 --advertise-client-urls http://$ip:2379 \
    --initial-cluster-token etcd-cluster-1 --initial-cluster "$CLUSTER" --initial-cluster-state new \
    --enable-pprof --logger=zap --log-outputs=stderr
  number=$((number + 1))
done
