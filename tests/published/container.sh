# One member by docker, as in etcd's page about containers. No warnings.
NODE=192.168.1.21
docker volume create --name etcd-data
docker run -d -p 2379:2379 -p 2380:2380 --volume=etcd-data:/etcd-data --name etcd \
  gcr.io/etcd-development/etcd:v3.6.14 /usr/local/bin/etcd \
  --data-dir=/etcd-data --name node1 \
  --initial-advertise-peer-urls http://${NODE}:2380 --listen-peer-urls http://0.0.0.0:2380 \
  --advertise-client-urls http://${NODE}:2379 --listen-client-urls http://0.0.0.0:2379 \
  --initial-cluster node1=http://${NODE}:2380
