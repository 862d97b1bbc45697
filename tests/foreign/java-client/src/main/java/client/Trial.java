package client;

import io.etcd.jetcd.ByteSequence;
import io.etcd.jetcd.Client;
import io.etcd.jetcd.ClientBuilder;
import io.etcd.jetcd.KeyValue;
import io.etcd.jetcd.common.exception.EtcdException;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.io.File;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Stream;

/** What the steps share: clients of the members, what must hold, and what is tried again. */
final class Trial {
    /** Longest time that something may take to come about. */
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    static final List<String> ADDRESSES = List.of(System.getenv("MEMBERS_ADDRESSES").split(" "));

    private static final List<Client> CLIENTS = new ArrayList<>();

    private Trial() {}

    /** A step that did not end as it must. */
    static final class Failure extends RuntimeException {
        Failure(String why) {
            super(why);
        }
    }

    /** An error that a member or the connection answers: some calls of the client say it in its own words, others in gRPC's. */
    static final class Refusal extends Exception {
        final Status.Code code;

        Refusal(Status.Code code, Throwable cause) {
            super(code + ": " + cause.getMessage(), cause);
            this.code = code;
        }
    }

    static void want(boolean holds, Object... what) {
        if (!holds) {
            throw new Failure(String.join(" ", Stream.of(what).map(String::valueOf).toList()));
        }
    }

    static void equal(Object found, Object wanted, String what) {
        want(Objects.equals(found, wanted), what + ":", String.valueOf(found), "and not", String.valueOf(wanted));
    }

    static ByteSequence bytes(String text) {
        return ByteSequence.from(text, StandardCharsets.UTF_8);
    }

    static String text(ByteSequence bytes) {
        return bytes.toString(StandardCharsets.UTF_8);
    }

    static List<String> texts(List<KeyValue> found) {
        return found.stream().map(kv -> text(kv.getKey()) + "=" + text(kv.getValue())).toList();
    }

    static void members(String what) throws Exception {
        Process process = new ProcessBuilder(System.getenv("MEMBERS"), what).inheritIO().start();
        want(process.waitFor() == 0, what, "fails");
    }

    static String url(String address, boolean secure) {
        return (secure ? "https://" : "http://") + address;
    }

    /** A client in plain text, of these members. */
    static Client connect(List<String> addresses) {
        return built(builder(addresses, false));
    }

    static Client connect() {
        return connect(ADDRESSES);
    }

    /** A client with the certificate of that name, logged in as that user if there is one. */
    static Client connect(String name, String user) throws Exception {
        String dir = System.getenv("MEMBERS_DIR") + "/";
        ClientBuilder builder = builder(ADDRESSES, true)
            // The name in the members' certificate; the client has one name for all of them.
            .authority("127.0.0.1")
            .sslContext(context -> context.trustManager(new File(dir + "ca.pem"))
                .keyManager(new File(dir + name + ".pem"), new File(dir + name + ".key")));
        if (user != null) {
            builder.user(bytes(user)).password(bytes(user + "-secret"));
        }
        return built(builder);
    }

    private static ClientBuilder builder(List<String> addresses, boolean secure) {
        return Client.builder().endpoints(addresses.stream().map(address -> url(address, secure)).toArray(String[]::new))
            .retryMaxDuration(Duration.ofSeconds(5));
    }

    private static synchronized Client built(ClientBuilder builder) {
        Client client = builder.build();
        CLIENTS.add(client);
        return client;
    }

    /** Closes the clients of a step. */
    static synchronized void close() {
        CLIENTS.forEach(Client::close);
        CLIENTS.clear();
    }

    /** What an answer holds, or its error. */
    static <T> T get(Future<T> answer) throws Exception {
        try {
            return answer.get(20, TimeUnit.SECONDS);
        } catch (ExecutionException error) {
            for (Throwable cause = error; cause != null; cause = cause.getCause()) {
                if (cause instanceof EtcdException known) {
                    throw new Refusal(Status.Code.valueOf(known.getErrorCode().name()), known);
                }
                if (cause instanceof StatusRuntimeException known) {
                    throw new Refusal(known.getStatus().getCode(), known);
                }
            }
            throw error;
        }
    }

    /** Waits until something is so. */
    static void until(String what, Callable<Boolean> holds) throws Exception {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (!holds.call()) {
            want(System.nanoTime() < deadline, "never so:", what);
            Thread.sleep(20);
        }
    }

    /** Calls until no error of the connection comes; the members are being killed. */
    static <T> T again(String what, Callable<? extends Future<T>> call) throws Exception {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (true) {
            try {
                return get(call.call());
            } catch (Refusal | TimeoutException error) {
                want(System.nanoTime() < deadline, what, "never succeeds:", error);
                Thread.sleep(50);
            }
        }
    }

    /** The error that must come. */
    static void refused(Status.Code code, String words, Future<?> answer) throws Exception {
        try {
            get(answer);
        } catch (Refusal error) {
            want(error.code == code && error.getMessage().contains(words), "refused with", error);
            return;
        }
        want(false, "not refused:", words);
    }
}
