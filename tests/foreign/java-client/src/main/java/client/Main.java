package client;

import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Stream;

/**
 * What a user of jetcd does, step by step, each with its results checked. The first step that does not end as it must is named, and ends
 * the program.
 *
 * <p>usage: client.Main plain|secure   as ../members.sh calls it
 */
final class Main {
    /** Longest time of one step, in seconds. */
    private static final long STEP_TIME = 150;

    private Main() {}

    /** One step. */
    interface Step {
        void run() throws Exception;
    }

    public static void main(String[] arguments) throws Exception {
        ExecutorService runner = Executors.newSingleThreadExecutor();
        Map<String, Step> steps = arguments[0].equals("plain") ? Plain.STEPS : Secure.STEPS;
        for (Map.Entry<String, Step> step : steps.entrySet()) {
            long begun = System.nanoTime();
            try {
                runner.submit(() -> {
                    step.getValue().run();
                    return null;
                }).get(STEP_TIME, TimeUnit.SECONDS);
            } catch (ExecutionException | TimeoutException error) {
                Throwable cause = error.getCause() == null ? error : error.getCause();
                System.err.println(cause);
                Stream.of(cause.getStackTrace()).filter(line -> line.getClassName().startsWith("client.")).forEach(System.err::println);
                System.err.println("FAILED: " + step.getKey());
                System.exit(1);
            }
            Trial.close();
            System.out.printf("  ok  %-42s %6.2f s%n", step.getKey(), (System.nanoTime() - begun) / 1e9);
        }
        System.exit(0);
    }
}
