# A name and where peers come to, without a list of members. No warnings.
etcd --name s1 --data-dir /var/lib/etcd/s1 \
  --listen-client-urls http://0.0.0.0:2379 --advertise-client-urls http://10.5.0.7:2379 \
  --listen-peer-urls http://0.0.0.0:2380 --initial-advertise-peer-urls http://10.5.0.7:2380
