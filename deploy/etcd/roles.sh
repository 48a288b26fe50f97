#!/bin/sh
# Creates the users and roles of one namespace in etcd:
#
#   REPLICA_PASSWORD=… VIEWER_PASSWORD=… sh roles.sh default
#
# etcdctl reads ETCDCTL_ENDPOINTS, ETCDCTL_CACERT and, once authentication is on, ETCDCTL_USER
# (root:password). An empty password creates a user who can log in by certificate only.
set -eu

namespace=${1:?name the namespace, such as default}
replica=leasehold-$namespace
viewer=$replica-viewer
export ETCDCTL_API=3 # for 3.3 and older

user() {
  if [ -n "$2" ]; then
    printf '%s\n' "$2" | etcdctl user add "$1" --interactive=false
  else
    etcdctl user add "$1" --no-password
  fi
  etcdctl user grant-role "$1" "$1"
}

# Replicas: everything of this namespace, and nothing else.
etcdctl role add "$replica"
etcdctl role grant-permission --prefix "$replica" readwrite "/leasehold/$namespace/"
user "$replica" "${REPLICA_PASSWORD-}"

# For people: `leasehold leases` and `leasehold replicas`. It cannot read the namespace's secret.
etcdctl role add "$viewer"
etcdctl role grant-permission --prefix "$viewer" read "/leasehold/$namespace/leases/"
etcdctl role grant-permission --prefix "$viewer" read "/leasehold/$namespace/replicas/"
user "$viewer" "${VIEWER_PASSWORD-}"
