# Three machines with a container each, as on the same page. No warnings.
HOSTS="10.20.30.1 10.20.30.2 10.20.30.3"
CLUSTER=etcd-node-0=http://10.20.30.1:2380,etcd-node-1=http://10.20.30.2:2380,etcd-node-2=http://10.20.30.3:2380
number=0
for ip in $HOSTS; do
  docker run -p 2379:2379 -p 2380:2380 --volume=/var/lib/etcd:/etcd-data --name etcd \
    gcr.io/etcd-development/etcd:v3.6.14 /usr/local/bin/etcd \
    --data-dir=/etcd-data --name etcd-node-$number \
    --initial-advertise-peer-urls http://$ip:2380 --listen-peer-urls http://0.0.0.0:2380 \
    --advertise-client-urls http://$ip:2379 --listen-client-urls http://0.0.0.0:2379 \
    --initial-cluster $CLUSTER --initial-cluster-state new --initial-cluster-token my-etcd-token
  number=$((number + 1))
done
