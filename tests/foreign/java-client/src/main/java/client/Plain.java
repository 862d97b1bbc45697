package client;

import static client.Trial.ADDRESSES;
import static client.Trial.again;
import static client.Trial.bytes;
import static client.Trial.connect;
import static client.Trial.equal;
import static client.Trial.get;
import static client.Trial.members;
import static client.Trial.refused;
import static client.Trial.text;
import static client.Trial.texts;
import static client.Trial.until;
import static client.Trial.url;
import static client.Trial.want;

import io.etcd.jetcd.Client;
import io.etcd.jetcd.Election;
import io.etcd.jetcd.KV;
import io.etcd.jetcd.KeyValue;
import io.etcd.jetcd.Lease;
import io.etcd.jetcd.Watch;
import io.etcd.jetcd.election.CampaignResponse;
import io.etcd.jetcd.election.LeaderResponse;
import io.etcd.jetcd.election.NoLeaderException;
import io.etcd.jetcd.kv.DeleteResponse;
import io.etcd.jetcd.kv.PutResponse;
import io.etcd.jetcd.kv.TxnResponse;
import io.etcd.jetcd.lease.LeaseKeepAliveResponse;
import io.etcd.jetcd.lease.LeaseTimeToLiveResponse;
import io.etcd.jetcd.op.Cmp;
import io.etcd.jetcd.op.CmpTarget;
import io.etcd.jetcd.op.Op;
import io.etcd.jetcd.options.DeleteOption;
import io.etcd.jetcd.options.GetOption;
import io.etcd.jetcd.options.LeaseOption;
import io.etcd.jetcd.options.PutOption;
import io.etcd.jetcd.options.WatchOption;
import io.etcd.jetcd.support.CloseableClient;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;

/** Steps in plain text. */
final class Plain {
    static final Map<String, Main.Step> STEPS = new LinkedHashMap<>();

    static {
        STEPS.put("keys: put, get, prefix, order, delete", Plain::keys);
        STEPS.put("transactions: conditions, both ways, nested", Plain::transactions);
        STEPS.put("watch: through a kill of the leader", Plain::watch);
        STEPS.put("leases: kept alive, over, revoked", Plain::leases);
        STEPS.put("lock: one at a time, ends with its lease", Plain::lock);
        STEPS.put("election: through a kill of the leader", Plain::election);
        STEPS.put("servers: members, status, defragmentation", Plain::servers);
    }

    private static final GetOption PREFIX = GetOption.builder().isPrefix(true).build();

    private Plain() {}

    private static void keys() throws Exception {
        KV kv = connect().getKVClient();
        PutResponse first = get(kv.put(bytes("k/a"), bytes("1")));
        PutResponse second = get(kv.put(bytes("k/a"), bytes("2"), PutOption.builder().withPrevKV().build()));
        equal(text(second.getPrevKv().getValue()), "1", "the version before");
        for (String key : List.of("c", "b", "d")) {
            get(kv.put(bytes("k/" + key), bytes(key.toUpperCase())));
        }
        KeyValue found = get(kv.get(bytes("k/a"))).getKvs().get(0);
        equal(text(found.getValue()), "2", "a value");
        equal(found.getVersion(), 2L, "a version");
        equal(found.getCreateRevision(), first.getHeader().getRevision(), "the revision of its creation");
        equal(found.getModRevision(), second.getHeader().getRevision(), "the revision of its change");
        equal(get(kv.get(bytes("k/none"))).getCount(), 0L, "a key that is not there");
        GetOption old = GetOption.builder().withRevision(first.getHeader().getRevision()).build();
        equal(texts(get(kv.get(bytes("k/a"), old)).getKvs()), List.of("k/a=1"), "an old revision");
        equal(texts(get(kv.get(bytes("k/"), PREFIX)).getKvs()), List.of("k/a=2", "k/b=B", "k/c=C", "k/d=D"), "a prefix");
        GetOption order = GetOption.builder().isPrefix(true).withLimit(3).withKeysOnly(true)
            .withSortField(GetOption.SortTarget.CREATE).withSortOrder(GetOption.SortOrder.DESCEND).build();
        equal(texts(get(kv.get(bytes("k/"), order)).getKvs()), List.of("k/d=", "k/b=", "k/c="), "an order");
        GetOption range = GetOption.builder().withRange(bytes("k/d")).build();
        equal(texts(get(kv.get(bytes("k/b"), range)).getKvs()), List.of("k/b=B", "k/c=C"), "a range");
        GetOption count = GetOption.builder().isPrefix(true).withCountOnly(true).build();
        equal(get(kv.get(bytes("k/"), count)).getCount(), 4L, "a count");
        DeleteOption both = DeleteOption.builder().withRange(bytes("k/d")).withPrevKV(true).build();
        DeleteResponse gone = get(kv.delete(bytes("k/b"), both));
        equal(texts(gone.getPrevKvs()), List.of("k/b=B", "k/c=C"), "the deleted versions");
        equal(get(kv.delete(bytes("k/b"))).getDeleted(), 0L, "a second delete");
        equal(get(kv.delete(bytes("k/"), DeleteOption.builder().isPrefix(true).build())).getDeleted(), 2L, "a prefix");
        get(kv.compact(gone.getHeader().getRevision()));
        refused(Status.Code.OUT_OF_RANGE, "has been compacted", kv.get(bytes("k/a"), old));
        refused(Status.Code.INVALID_ARGUMENT, "key is not provided", kv.put(bytes(""), bytes("x")));
    }

    private static Cmp value(String key, Cmp.Op op, String value) {
        return new Cmp(bytes(key), op, CmpTarget.value(bytes(value)));
    }

    private static Op put(String key, String value) {
        return Op.put(bytes(key), bytes(value), PutOption.DEFAULT);
    }

    private static void transactions() throws Exception {
        KV kv = connect().getKVClient();
        get(kv.put(bytes("t/a"), bytes("5")));
        TxnResponse done = get(kv.txn()
            .If(value("t/a", Cmp.Op.EQUAL, "5"), value("t/a", Cmp.Op.GREATER, "4"),
                new Cmp(bytes("t/a"), Cmp.Op.EQUAL, CmpTarget.version(1)),
                new Cmp(bytes("t/none"), Cmp.Op.EQUAL, CmpTarget.createRevision(0)),
                new Cmp(bytes("t/a"), Cmp.Op.GREATER, CmpTarget.modRevision(1)))
            .Then(put("t/b", "x"), Op.get(bytes("t/a"), GetOption.DEFAULT), Op.delete(bytes("t/a"), DeleteOption.DEFAULT))
            .Else(put("t/wrong", "x")).commit());
        want(done.isSucceeded(), done);
        equal(texts(done.getGetResponses().get(0).getKvs()), List.of("t/a=5"), "a read");
        Cmp[] none = {new Cmp(bytes("t/a"), Cmp.Op.EQUAL, CmpTarget.version(0))};
        TxnResponse other = get(kv.txn().If(value("t/b", Cmp.Op.EQUAL, "y"))
            .Then(put("t/wrong", "x"))
            .Else(Op.get(bytes("t/b"), GetOption.DEFAULT), Op.txn(none, new Op[] {put("t/c", "z")}, new Op[0])).commit());
        want(!other.isSucceeded() && other.getTxnResponses().get(0).isSucceeded(), other);
        equal(texts(get(kv.get(bytes("t/"), PREFIX)).getKvs()), List.of("t/b=x", "t/c=z"), "what is written");
    }

    private record Seen(List<String> at, List<String> events, List<Throwable> errors, CompletableFuture<Void> end) {}

    /**
     * One watch on each member and one on all of them see each write once and in order, over a kill of the leader. The client itself goes on
     * behind the last event when the connection ends.
     */
    private static void watch() throws Exception {
        int writes = 60;
        KV kv = connect().getKVClient();
        long begin = get(kv.put(bytes("w/begin"), bytes(""))).getHeader().getRevision() + 1;
        List<List<String>> places = new ArrayList<>(ADDRESSES.stream().map(List::of).toList());
        places.add(ADDRESSES);
        List<Seen> watches = new ArrayList<>();
        for (List<String> at : places) {
            Seen seen = new Seen(at, new CopyOnWriteArrayList<>(), new CopyOnWriteArrayList<>(), new CompletableFuture<>());
            WatchOption options = WatchOption.builder().isPrefix(true).withRevision(begin).build();
            connect(at).getWatchClient().watch(bytes("w/k"), options, Watch.listener(
                response -> response.getEvents().forEach(event -> seen.events.add(
                    event.getKeyValue().getModRevision() + " " + text(event.getKeyValue().getValue()))),
                // A lost connection is an error too, behind which the watch goes on.
                seen.errors::add, () -> seen.end.complete(null)));
            watches.add(seen);
        }
        List<String> wanted = new ArrayList<>();
        for (int number = 0; number < writes; number++) {
            if (number == 20) {
                for (Seen seen : watches) {
                    until("20 events", () -> seen.events.size() == 20);
                }
                members("kill-leader");
                if (ADDRESSES.size() == 1) {
                    members("start");
                }
            }
            if (number == 40) {
                members("start");
            }
            // A write whose member died may have happened, so it is made only if it has not.
            String key = "w/k" + number % 3;
            String value = String.valueOf(number);
            again("a write", () -> kv.txn().If(value(key, Cmp.Op.EQUAL, value)).Else(put(key, value)).commit());
            wanted.add(again("a read", () -> kv.get(bytes(key))).getKvs().get(0).getModRevision() + " " + value);
        }
        for (Seen seen : watches) {
            until(writes + " events of " + seen.at, () -> seen.end.isDone() || seen.events.size() >= writes);
            want(!seen.end.isDone(), "a watch ends with", seen.errors, "behind", seen.events.size(), "events");
            equal(seen.events, wanted, "events of " + seen.at);
        }
    }

    private static void leases() throws Exception {
        Client client = connect();
        KV kv = client.getKVClient();
        Lease lease = client.getLeaseClient();
        long kept = get(lease.grant(2)).getID();
        long over = get(lease.grant(2)).getID();
        long revoked = get(lease.grant(60)).getID();
        for (Map.Entry<String, Long> entry : Map.of("kept", kept, "over", over, "revoked", revoked).entrySet()) {
            PutOption with = PutOption.builder().withLeaseId(entry.getValue()).build();
            get(kv.put(bytes("l/" + entry.getKey()), bytes("x"), with));
        }
        AtomicInteger renewals = new AtomicInteger();
        CloseableClient keeper = lease.keepAlive(kept, new StreamObserver<>() {
            @Override
            public void onNext(LeaseKeepAliveResponse response) {
                renewals.incrementAndGet();
            }

            @Override
            public void onError(Throwable error) {}

            @Override
            public void onCompleted() {}
        });
        LeaseTimeToLiveResponse left = get(lease.timeToLive(revoked, LeaseOption.builder().withAttachedKeys().build()));
        equal(left.getGrantedTTL(), 60L, "a time to live");
        equal(left.getKeys().stream().map(Trial::text).toList(), List.of("l/revoked"), "the keys of a lease");
        get(lease.revoke(revoked));
        equal(get(kv.get(bytes("l/revoked"))).getCount(), 0L, "keys whose lease is revoked");
        until("a lease ends", () -> get(kv.get(bytes("l/over"))).getCount() == 0);
        until("renewals", () -> renewals.get() >= 3);
        equal(get(kv.get(bytes("l/kept"))).getCount(), 1L, "keys whose lease is kept");
        refused(Status.Code.NOT_FOUND, "requested lease not found", lease.revoke(over));
        refused(Status.Code.NOT_FOUND, "requested lease not found",
            kv.put(bytes("l/over"), bytes("x"), PutOption.builder().withLeaseId(over).build()));
        keeper.close();
        until("a lease that is kept no more ends", () -> get(kv.get(bytes("l/kept"))).getCount() == 0);
    }

    /** Four count up under the servers' lock; a lock goes with its lease. */
    private static void lock() throws Exception {
        KV kv = connect().getKVClient();
        get(kv.put(bytes("count"), bytes("0")));
        ExecutorService pool = Executors.newFixedThreadPool(4);
        List<Future<?>> done = new ArrayList<>();
        for (int number = 0; number < 4; number++) {
            Client mine = connect();
            done.add(pool.submit(() -> {
                long lease = get(mine.getLeaseClient().grant(20)).getID();
                for (int round = 0; round < 5; round++) {
                    var key = get(mine.getLockClient().lock(bytes("one"), lease)).getKey();
                    long count = Long.parseLong(text(get(mine.getKVClient().get(bytes("count"))).getKvs().get(0).getValue()));
                    get(mine.getKVClient().put(bytes("count"), bytes(String.valueOf(count + 1))));
                    get(mine.getLockClient().unlock(key));
                }
                return null;
            }));
        }
        for (Future<?> one : done) {
            one.get();
        }
        pool.shutdown();
        equal(texts(get(kv.get(bytes("count"))).getKvs()), List.of("count=20"), "a counter");
        Client client = connect();
        get(client.getLockClient().lock(bytes("two"), get(client.getLeaseClient().grant(2)).getID()));
        long other = get(client.getLeaseClient().grant(60)).getID();
        var waiting = client.getLockClient().lock(bytes("two"), other);
        until("the second stands in line", () -> get(kv.get(bytes("two/"), PREFIX)).getCount() == 2);
        want(!waiting.isDone(), "two hold a lock");
        get(waiting);
        get(client.getLeaseClient().revoke(other));
    }

    /** Two stand for one office over a kill of the leader; the second has it when the first resigns. */
    private static void election() throws Exception {
        Client one = connect();
        Client two = connect();
        Election witness = connect().getElectionClient();
        List<String> seen = new CopyOnWriteArrayList<>();
        refusedNobody(witness);
        long first = get(one.getLeaseClient().grant(30)).getID();
        long second = get(two.getLeaseClient().grant(30)).getID();
        CampaignResponse office = get(one.getElectionClient().campaign(bytes("office"), first, bytes("first")));
        witness.observe(bytes("office"), new Election.Listener() {
            @Override
            public void onNext(LeaderResponse response) {
                seen.add(text(response.getKv().getValue()));
            }

            @Override
            public void onError(Throwable error) {}

            @Override
            public void onCompleted() {}
        });
        until("it is seen", () -> seen.contains("first"));
        get(one.getElectionClient().proclaim(office.getLeader(), bytes("first again")));
        until("it is seen", () -> seen.contains("first again"));
        members("kill-leader");
        members("start");
        equal(text(again("who has it", () -> witness.leader(bytes("office"))).getKv().getValue()), "first again", "who has it");
        var waiting = two.getElectionClient().campaign(bytes("office"), second, bytes("second"));
        KV kv = connect().getKVClient();
        until("the second stands", () -> again("a read", () -> kv.get(bytes("office/"), PREFIX)).getCount() == 2);
        want(!waiting.isDone(), "two have it");
        again("a resignation", () -> one.getElectionClient().resign(office.getLeader()));
        get(waiting);
        equal(text(get(witness.leader(bytes("office"))).getKv().getValue()), "second", "who has it");
        get(two.getLeaseClient().revoke(second));
    }

    private static void refusedNobody(Election witness) throws Exception {
        try {
            get(witness.leader(bytes("office")));
        } catch (java.util.concurrent.ExecutionException error) {
            want(error.getCause() instanceof NoLeaderException, "an office that nobody has:", error);
            return;
        }
        want(false, "somebody has an office that nobody stood for");
    }

    private static void servers() throws Exception {
        Client client = connect();
        equal(get(client.getClusterClient().listMember()).getMembers().size(), ADDRESSES.size(), "members");
        Set<Long> leaders = new HashSet<>();
        for (String address : ADDRESSES) {
            var status = get(client.getMaintenanceClient().statusMember(url(address, false)));
            want(status.getDbSize() > 0 && status.getLeader() != 0 && !status.getVersion().isEmpty(), status);
            leaders.add(status.getLeader());
            get(client.getMaintenanceClient().defragmentMember(url(address, false)));
        }
        equal(leaders.size(), 1, "leaders");
    }
}
