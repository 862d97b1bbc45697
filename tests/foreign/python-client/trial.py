"""What the steps share: clients of the members, what must hold, and what is tried again."""

import os
import subprocess
import time

import etcd3
import grpc

# Longest time that something may take to come about.
PATIENCE = 60

ADDRESSES = os.environ["MEMBERS_ADDRESSES"].split()


class Failure(Exception):
    """A step that did not end as it must."""


def want(holds, *what):
    if not holds:
        raise Failure(" ".join(map(str, what)))


def members(what):
    subprocess.run([os.environ["MEMBERS"], what], check=True)


def connect(addresses=None, name=None, user=None):
    """A client of these members, by default of all; with the certificate of that name, logged in as that user.

    The library knows one address; gRPC takes several in its place, and goes to the next when one does not answer.
    """
    addresses = addresses or ADDRESSES
    host, port = ("ipv4:" + ",".join(addresses)).rsplit(":", 1)
    # It waits for no longer than this before it tries an address again.
    options = {"grpc.max_reconnect_backoff_ms": 500}
    # gRPC sends several addresses as one name, with escapes, which mini-etcd refuses as the name of no host, and etcd does not.
    options["grpc.default_authority"] = addresses[0]
    more = {}
    if name:
        folder = os.environ["MEMBERS_DIR"]
        more = {"ca_cert": f"{folder}/ca.pem", "cert_cert": f"{folder}/{name}.pem", "cert_key": f"{folder}/{name}.key"}
        # The name in the members' certificate; several addresses are none.
        options["grpc.ssl_target_name_override"] = "127.0.0.1"
    if user:
        more.update(user=user, password=f"{user}-secret")
    return etcd3.client(host, port, timeout=5, grpc_options=list(options.items()), **more)


def until(what, holds):
    """Waits until something is so, and answers what it is."""
    deadline = time.monotonic() + PATIENCE
    while not (value := holds()):
        want(time.monotonic() < deadline, "never so:", what)
        time.sleep(0.02)
    return value


def again(what, run):
    """Runs something until it raises no error of the connection; the members are being killed."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return run()
        except (etcd3.exceptions.Etcd3Exception, grpc.RpcError) as error:
            want(time.monotonic() < deadline, what, "never succeeds:", repr(error))
            time.sleep(0.05)


def refused(code, words, run):
    """The error that must come. The library has exceptions of its own for some codes, and they drop the words."""
    own = {
        grpc.StatusCode.FAILED_PRECONDITION: etcd3.exceptions.PreconditionFailedError,
        grpc.StatusCode.UNAVAILABLE: etcd3.exceptions.ConnectionFailedError,
    }.get(code)
    try:
        run()
    except grpc.RpcError as error:
        want(error.code() == code and words in error.details(), "refused with", error.code(), repr(error.details()))
    except etcd3.exceptions.Etcd3Exception as error:
        want(own and isinstance(error, own), "refused with", repr(error))
    else:
        want(False, "not refused:", words)
