package client;

import static client.Trial.ADDRESSES;
import static client.Trial.again;
import static client.Trial.bytes;
import static client.Trial.connect;
import static client.Trial.equal;
import static client.Trial.get;
import static client.Trial.members;
import static client.Trial.refused;
import static client.Trial.texts;
import static client.Trial.until;
import static client.Trial.want;

import io.etcd.jetcd.Auth;
import io.etcd.jetcd.Client;
import io.etcd.jetcd.KV;
import io.etcd.jetcd.auth.Permission;
import io.etcd.jetcd.op.Op;
import io.etcd.jetcd.options.DeleteOption;
import io.etcd.jetcd.options.PutOption;
import io.etcd.jetcd.options.WatchOption;
import io.grpc.Status;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Steps with TLS and users. */
final class Secure {
    static final Map<String, Main.Step> STEPS = new LinkedHashMap<>();

    static {
        STEPS.put("TLS: who shows no certificate stays out", Secure::strangers);
        STEPS.put("users: roles, rights, auth enable", Secure::users);
        STEPS.put("users: what each may", Secure::rights);
        STEPS.put("users: a login outlives its member", Secure::loginAgain);
    }

    private Secure() {}

    private static void strangers() throws Exception {
        get(connect("root", null).getKVClient().put(bytes("k"), bytes("x")));
        var plain = connect(ADDRESSES.subList(0, 1)).getKVClient().get(bytes("k"));
        try {
            plain.get(2, TimeUnit.SECONDS);
        } catch (ExecutionException | TimeoutException error) {
            // The client waits for a connection as long as its user does.
            return;
        }
        want(false, "plain text comes in");
    }

    private static void users() throws Exception {
        Auth auth = connect("root", null).getAuthClient();
        for (String user : List.of("root", "writer", "reader")) {
            String role = user.equals("root") ? user : user + "-role";
            get(auth.userAdd(bytes(user), bytes(user + "-secret")));
            get(auth.roleAdd(bytes(role)));
            get(auth.userGrantRole(bytes(user), bytes(role)));
        }
        refused(Status.Code.FAILED_PRECONDITION, "user name already exists", auth.userAdd(bytes("root"), bytes("x")));
        get(auth.roleGrantPermission(bytes("writer-role"), bytes("app/"), bytes("app0"), Permission.Type.READWRITE));
        get(auth.roleGrantPermission(bytes("reader-role"), bytes("app/"), bytes("app0"), Permission.Type.READ));
        equal(get(auth.userGet(bytes("writer"))).getRoles(), List.of("writer-role"), "roles");
        get(auth.authEnable());
    }

    private static void denied(Future<?> answer) throws Exception {
        refused(Status.Code.PERMISSION_DENIED, "permission denied", answer);
    }

    private static void rights() throws Exception {
        Client writing = connect("nobody", "writer");
        KV writer = writing.getKVClient();
        Client reading = connect("nobody", "reader");
        KV reader = reading.getKVClient();
        // The client's own word for a login that fails.
        refused(Status.Code.UNAUTHENTICATED, "", connect("nobody", "stranger").getKVClient().get(bytes("app/a")));
        // More than once: the client asks another member each time.
        for (int round = 0; round < 10; round++) {
            get(writer.put(bytes("app/a"), bytes(String.valueOf(round))));
            equal(texts(get(reader.get(bytes("app/a"))).getKvs()), List.of("app/a=" + round), "a read");
            denied(writer.put(bytes("other"), bytes("x")));
            denied(reader.put(bytes("app/a"), bytes("x")));
        }
        denied(writer.get(bytes("other")));
        denied(writer.delete(bytes("a"), DeleteOption.builder().isPrefix(true).build()));
        denied(writing.getAuthClient().userAdd(bytes("x"), bytes("x")));
        denied(reader.txn().Then(Op.put(bytes("app/a"), bytes("x"), PutOption.DEFAULT)).commit());
        long revision = get(writer.put(bytes("app/a"), bytes("seen"))).getHeader().getRevision();
        List<String> events = new CopyOnWriteArrayList<>();
        var watcher = reading.getWatchClient().watch(bytes("app/"), WatchOption.builder().isPrefix(true).withRevision(revision).build(),
            response -> response.getEvents().forEach(event -> events.add(Trial.text(event.getKeyValue().getValue()))));
        until("an event", () -> !events.isEmpty());
        equal(events, List.of("seen"), "events");
        watcher.close();
        long lease = get(writing.getLeaseClient().grant(60)).getID();
        get(writer.put(bytes("app/leased"), bytes("x"), PutOption.builder().withLeaseId(lease).build()));
        get(writing.getLeaseClient().revoke(lease));
        equal(get(reader.get(bytes("app/leased"))).getCount(), 0L, "keys whose lease is revoked");
        long other = get(writing.getLeaseClient().grant(60)).getID();
        get(writing.getLockClient().unlock(get(writing.getLockClient().lock(bytes("app/lock"), other)).getKey()));
        // The lock service passes errors on without their code.
        refused(Status.Code.UNKNOWN, "permission denied", writing.getLockClient().lock(bytes("elsewhere"), other));
        // The name in a certificate is a user too.
        KV named = connect("writer", null).getKVClient();
        get(named.put(bytes("app/b"), bytes("x")));
        denied(named.put(bytes("other"), bytes("x")));
        denied(connect("nobody", null).getKVClient().get(bytes("app/a")));
    }

    /** A token may be lost with its member; the client logs in again by itself. */
    private static void loginAgain() throws Exception {
        KV writer = connect("nobody", "writer").getKVClient();
        get(writer.put(bytes("app/a"), bytes("before")));
        members("kill-leader");
        if (ADDRESSES.size() == 1) {
            members("start");
        }
        again("a write", () -> writer.put(bytes("app/a"), bytes("meanwhile")));
        members("start");
        for (int round = 0; round < 10; round++) {
            equal(texts(again("a read", () -> writer.get(bytes("app/a"))).getKvs()), List.of("app/a=meanwhile"), "a read");
        }
    }
}
