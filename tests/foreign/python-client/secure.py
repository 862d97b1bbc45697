"""Steps with TLS and users."""

import grpc
from etcd3 import etcdrpc
from etcd3.etcdrpc.auth_pb2 import Permission

from trial import ADDRESSES, again, connect, members, refused, want


def strangers():
    with connect(name="root") as client:
        client.put("k", "x")
    with connect(ADDRESSES[:1]) as client:
        refused(grpc.StatusCode.UNAVAILABLE, "", lambda: client.get("k"))


def users():
    """The library has no calls for users; its stubs do."""
    with connect(name="root") as client:
        auth = etcdrpc.AuthStub(client.channel)
        for user in ("root", "writer", "reader"):
            auth.UserAdd(etcdrpc.AuthUserAddRequest(name=user, password=f"{user}-secret"))
            auth.RoleAdd(etcdrpc.AuthRoleAddRequest(name=f"{user}-role" if user != "root" else user))
        for user, right in (("writer", Permission.READWRITE), ("reader", Permission.READ)):
            right = Permission(permType=right, key=b"app/", range_end=b"app0")
            auth.RoleGrantPermission(etcdrpc.AuthRoleGrantPermissionRequest(name=f"{user}-role", perm=right))
            auth.UserGrantRole(etcdrpc.AuthUserGrantRoleRequest(user=user, role=f"{user}-role"))
        auth.UserGrantRole(etcdrpc.AuthUserGrantRoleRequest(user="root", role="root"))
        auth.AuthEnable(etcdrpc.AuthEnableRequest())


def rights():
    denied = grpc.StatusCode.PERMISSION_DENIED, "permission denied"
    refused(grpc.StatusCode.INVALID_ARGUMENT, "authentication failed", lambda: connect(name="nobody", user="stranger"))
    with connect(name="nobody", user="writer") as writer, connect(name="nobody", user="reader") as reader:
        writer.put("app/a", "1")
        want(reader.get("app/a")[0] == b"1", "a read")
        refused(*denied, lambda: writer.put("other", "x"))
        refused(*denied, lambda: writer.get("other"))
        refused(*denied, lambda: writer.delete_prefix("a"))
        refused(*denied, lambda: reader.put("app/a", "x"))
        refused(*denied, lambda: reader.transaction([], [reader.transactions.put("app/a", "x")], []))
        revision = writer.put("app/a", "2").header.revision
        events, cancel = reader.watch_prefix("app/", start_revision=revision)
        want(next(events).value == b"2", "a watch")
        cancel()
        lease = writer.lease(60)
        writer.put("app/leased", "x", lease=lease)
        lease.revoke()
        want(reader.get("app/leased") == (None, None), "a key outlives its lease")
    # The name in a certificate is a user too.
    with connect(name="writer") as writer:
        writer.put("app/b", "x")
        refused(*denied, lambda: writer.put("other", "x"))
    with connect(name="nobody") as client:
        refused(*denied, lambda: client.get("app/a"))


def login_again():
    """The library keeps the token it began with, which is lost with its member: a user of it connects again."""
    members("kill-leader")
    if len(ADDRESSES) == 1:
        members("start")

    def write():
        with connect(name="nobody", user="writer") as writer:
            writer.put("app/a", "3")

    again("a write", write)
    members("start")
    for address in ADDRESSES:
        with connect([address], name="nobody", user="reader") as reader:
            want(reader.get("app/a")[0] == b"3", "a read of", address)


STEPS = {
    "TLS: who shows no certificate stays out": strangers,
    "users: roles, rights, auth enable": users,
    "users: what each may": rights,
    "users: logins after a kill of the leader": login_again,
}
