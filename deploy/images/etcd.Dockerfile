FROM lab/debian
COPY etcd etcdctl /usr/local/bin/
