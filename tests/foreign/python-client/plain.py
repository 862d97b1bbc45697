"""Steps in plain text."""

import threading
from concurrent.futures import ThreadPoolExecutor

import etcd3
import grpc

from trial import ADDRESSES, again, connect, members, refused, until, want


def texts(found):
    return [(metadata.key.decode(), value.decode()) for value, metadata in found]


def keys():
    with connect() as client:
        first = client.put("k/a", "1")
        second = client.put("k/a", "2", prev_kv=True)
        want(second.prev_kv.value == b"1", "the version before:", second.prev_kv)
        want(second.header.revision > first.header.revision, "revisions do not grow")
        for key in ("c", "b", "d"):
            client.put("k/" + key, key.upper())
        value, metadata = client.get("k/a")
        want(value == b"2" and metadata.version == 2, value, metadata.version)
        want(metadata.create_revision == first.header.revision, metadata.create_revision)
        want(metadata.mod_revision == second.header.revision, metadata.mod_revision)
        want(client.get("k/none") == (None, None), "a key that is not there")
        want(texts(client.get_prefix("k/")) == [("k/a", "2"), ("k/b", "B"), ("k/c", "C"), ("k/d", "D")], "a prefix")
        want(texts(client.get_prefix("k/", keys_only=True))[1] == ("k/b", ""), "keys only")
        down = client.get_prefix("k/", sort_order="descend", sort_target="create")
        want([key for key, _ in texts(down)] == ["k/d", "k/b", "k/c", "k/a"], "an order")
        want(texts(client.get_range("k/b", "k/d")) == [("k/b", "B"), ("k/c", "C")], "a range")
        want(client.put_if_not_exists("k/new", "1") and not client.put_if_not_exists("k/new", "2"), "a creation")
        want(client.replace("k/new", "1", "3") and not client.replace("k/new", "1", "4"), "a replacement")
        gone = client.delete("k/new", prev_kv=True, return_response=True)
        want(gone.deleted == 1 and gone.prev_kvs[0].value == b"3", gone)
        want(client.delete("k/new") is False, "a second delete")
        want(client.delete_prefix("k/").deleted == 4, "a prefix that is deleted")
        want(not texts(client.get_prefix("k/")), "something is left")
        client.compact(gone.header.revision)
        refused(grpc.StatusCode.OUT_OF_RANGE, "compacted", lambda: client.compact(gone.header.revision))
        refused(grpc.StatusCode.INVALID_ARGUMENT, "key is not provided", lambda: client.put("", "x"))


def transactions():
    with connect() as client:
        client.put("t/a", "5")
        kv = client.transactions
        done, answers = client.transaction(
            compare=[kv.value("t/a") == "5", kv.version("t/a") > 0, kv.create("t/none") == 0, kv.mod("t/a") > 1],
            success=[kv.put("t/b", "x"), kv.get("t/a"), kv.delete("t/a")],
            failure=[kv.put("t/wrong", "x")],
        )
        want(done and answers[1][0][0] == b"5", answers)
        done, answers = client.transaction(
            compare=[kv.value("t/b") == "y"],
            success=[kv.put("t/wrong", "x")],
            failure=[kv.get("t/b"), kv.txn(compare=[kv.version("t/a") == 0], success=[kv.put("t/c", "z")], failure=[])],
        )
        want(not done and answers[0][0][0] == b"x", answers)
        want(texts(client.get_prefix("t/")) == [("t/b", "x"), ("t/c", "z")], "what is written")


class Watch(threading.Thread):
    """What a user does who may lose no event: it watches again behind the last one, when the connection ends."""

    def __init__(self, addresses, prefix, revision):
        super().__init__(daemon=True)
        self.addresses, self.prefix, self.revision = addresses, prefix, revision
        self.events, self.failure = [], None
        self.begun = threading.Event()
        self.start()

    def run(self):
        try:
            with again("a client", lambda: connect(self.addresses)) as client:
                while True:
                    try:
                        self.read(client)
                    except (etcd3.exceptions.ConnectionFailedError, etcd3.exceptions.WatchTimedOut):
                        # The member is dead.
                        continue
        except Exception as failure:
            self.failure = failure

    def read(self, client):
        responses, cancel = client.watch_prefix_response(self.prefix, start_revision=self.revision)
        self.begun.set()
        for response in responses:
            self.events += [(event.mod_revision, event.value.decode()) for event in response.events]
            if response.events:
                self.revision = response.events[-1].mod_revision + 1

    def count(self, count):
        until(f"{count} events", lambda: self.failure or len(self.events) >= count)
        want(not self.failure, "a watch ends with", repr(self.failure))
        return self.events


def watch():
    """One watch on each member and one on all of them see each write once and in order, over a kill of the leader."""
    writes = 60
    with connect() as client:
        begin = client.put("w/begin", "").header.revision + 1
        watches = [Watch([address], "w/k", begin) for address in ADDRESSES] + [Watch(ADDRESSES, "w/k", begin)]
        for one in watches:
            until("a watch begins", one.begun.is_set)
        kv, wanted = client.transactions, []
        for number in range(writes):
            if number == 20:
                members("kill-leader")
                if len(ADDRESSES) == 1:
                    members("start")
            if number == 40:
                members("start")
            # A write whose member died may have happened, so it is made only if it has not.
            key, value = f"w/k{number % 3}", str(number)
            again("a write", lambda: client.transaction([kv.value(key) == value], [], [kv.put(key, value)]))
            wanted.append((again("a read", lambda: client.get(key))[1].mod_revision, value))
        for one in watches:
            want(one.count(writes) == wanted, one.addresses, "sees", one.events, "and not", wanted)


def leases():
    with connect() as client:
        kept, over, revoked = client.lease(2), client.lease(2), client.lease(60)
        for name, lease in (("kept", kept), ("over", over), ("revoked", revoked)):
            client.put("l/" + name, "x", lease=lease)
        want(client.get("l/kept")[1].lease_id == kept.id, "a key's lease")
        want(revoked.granted_ttl == 60 and 0 < revoked.remaining_ttl <= 60, "a time to live")
        want(list(revoked.keys) == [b"l/revoked"], "the keys of a lease")
        revoked.revoke()
        want(client.get("l/revoked") == (None, None), "a key outlives its lease")

        def gone():
            want(kept.refresh()[0].TTL == 2, "a renewal")
            return client.get("l/over") == (None, None)

        until("a lease ends", gone)
        want(client.get("l/kept")[0] == b"x", "a lease that is kept ends")
        want(over.refresh()[0].TTL == 0 and over.remaining_ttl == -1, "a lease that ended")
        kept.revoke()


def lock():
    """Four clients count up under a lock; a lock whose holder died goes to the next one."""
    with connect() as client:
        client.put("count", "0")

        def count():
            with connect() as mine:
                for _ in range(5):
                    held = mine.lock("one", ttl=20)
                    # The library misses the end of a lock that comes before its watch, and sleeps its whole time.
                    until("a lock is had", lambda: held.acquire(timeout=1))
                    mine.put("count", str(int(mine.get("count")[0]) + 1))
                    want(held.release(), "a lock is lost")

        with ThreadPoolExecutor() as pool:
            for done in [pool.submit(count) for _ in range(4)]:
                done.result()
        want(client.get("count")[0] == b"20", "counted to", client.get("count")[0])
        held, other = client.lock("two", ttl=2), client.lock("two", ttl=20)
        want(held.acquire() and held.is_acquired(), "a lock")
        want(not other.acquire(timeout=0), "two hold a lock")
        until("a lock ends with its lease", lambda: other.acquire(timeout=1))
        want(not held.is_acquired(), "two hold a lock")
        want(not held.release() and other.release(), "a lock is given back by who has it not")


def servers():
    with connect() as client:
        want(len(list(client.members)) == len(ADDRESSES), "members:", list(client.members))
    leaders = set()
    for address in ADDRESSES:
        with connect([address]) as client:
            status = client.status()
            want(status.leader and status.db_size > 0 and status.version, status)
            leaders.add(status.leader.id)
            client.defragment()
    want(len(leaders) == 1, "leaders:", leaders)


STEPS = {
    "keys: put, get, prefix, order, delete": keys,
    "transactions: conditions, both ways, nested": transactions,
    "watch: through a kill of the leader": watch,
    "leases: kept alive, over, revoked": leases,
    "lock: one at a time, ends with its lease": lock,
    "servers: members, status, defragmentation": servers,
}
