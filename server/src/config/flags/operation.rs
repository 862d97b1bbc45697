//! What is logged, measured and checked.

use super::Kind::{Bool, Duration, Number, Text};
use super::{Flag, etcd, new, old, old_3_4, old_3_6, ours};

const TO_STDERR: &str = "the log goes to standard error, as text";
const NO_TRACES: &str = "there are no traces";
pub(super) const NOT_COMPARED: &str = "members are not compared by themselves: `mini-etcdctl endpoint hashkv --cluster` compares them";
const BATCHES: &str = "history is given up 1000 rows at a time, with 10 ms between";
const SLOW: &str =
    "the metrics tell how long applying takes, and --request-log=slow which requests wait";

pub(super) const FLAGS: &[Flag] = &[
    etcd(
        "log-level",
        Text("LEVEL"),
        "What to log: error, warn, info, debug, trace, or a tracing filter [default: info]",
    ),
    old_3_4("debug", Bool, "Log more").ignored(&["false"], "--log-level=debug logs more"),
    old_3_4("log-package-levels", Text("LEVELS"), "What to log of each part")
        .ignored(&[""], "--log-level takes a filter by modules"),
    etcd("logger", Text("LOGGER"), "How the log is made")
        .refused(&["zap"], "etcd knows zap alone, which stands for the log of this program"),
    old_3_4("log-output", Text("PLACE"), "").alias_of("log-outputs"),
    etcd("log-outputs", Text("PLACES"), "Where the log goes")
        .ignored(&["default", "stderr", "systemd/journal"], TO_STDERR),
    new("log-format", Text("FORMAT"), "How lines of the log look").ignored(&["console"], TO_STDERR),
    etcd("enable-log-rotation", Bool, "Begin the file of the log anew")
        .ignored(&["false"], TO_STDERR),
    etcd("log-rotation-config-json", Text("JSON"), "When to begin it anew").ignored(&[], TO_STDERR),
    etcd("enable-pprof", Bool, "Serve profiles of the process")
        .ignored(&["false"], "there are no profiles of Go: perf makes one of this program"),
    etcd("metrics", Text("WHICH"), "Which metrics are served: basic or extensive")
        .ignored(&["basic", "extensive"], "all of them are always served"),
    old("experimental-warning-apply-duration", Duration, "").alias_of("warning-apply-duration"),
    new("warning-apply-duration", Duration, "Time after which applying is logged")
        .ignored(&["100ms"], SLOW),
    ours(
        "request-log",
        Text("WHICH"),
        "Requests to write down, a JSON object each: off, all, writes, or slow ones [default: off]",
    ),
    ours("request-log-sample", Number, "One of so many of them [default: 1]"),
    old_3_6("experimental-warning-unary-request-duration", Duration, "")
        .alias_of("warning-unary-request-duration"),
    new(
        "warning-unary-request-duration",
        Duration,
        "Time from which on --request-log=slow writes a request down [default: 300ms]",
    ),
    old("experimental-watch-progress-notify-interval", Duration, "")
        .alias_of("watch-progress-notify-interval"),
    new(
        "watch-progress-notify-interval",
        Duration,
        "Time between two progress messages of an idle watch that asked for them; less than 100ms is raised to it [default: 10m]",
    ),
    old("experimental-initial-corrupt-check", Bool, "Compare the data before serving")
        .ignored(&["false"], NOT_COMPARED),
    old("experimental-corrupt-check-time", Duration, "").alias_of("corrupt-check-time"),
    new("corrupt-check-time", Duration, "Time between two comparisons of the data")
        .ignored(&["0s"], NOT_COMPARED),
    old("experimental-compact-hash-check-enabled", Bool, "Compare hashes at compactions")
        .ignored(&["false"], NOT_COMPARED),
    old("experimental-compact-hash-check-time", Duration, "").alias_of("compact-hash-check-time"),
    new("compact-hash-check-time", Duration, "Time between two comparisons of hashes")
        .ignored(&["1m"], NOT_COMPARED),
    old("experimental-compaction-batch-limit", Number, "").alias_of("compaction-batch-limit"),
    new("compaction-batch-limit", Number, "Revisions that a compaction removes at once")
        .ignored(&["1000"], BATCHES),
    old("experimental-compaction-sleep-interval", Duration, "")
        .alias_of("compaction-sleep-interval"),
    new("compaction-sleep-interval", Duration, "Pause between them").ignored(&["10ms"], BATCHES),
    old("experimental-enable-lease-checkpoint", Bool, "Keep what is left of leases")
        .ignored(&["true"], "what is left of leases is always kept"),
    old("experimental-enable-lease-checkpoint-persist", Bool, "Keep that over changes of leaders")
        .ignored(&["true"], "what is left of leases is always kept"),
    old(
        "experimental-stop-grpc-service-on-defrag",
        Bool,
        "Serve nothing while space is given back",
    )
    .ignored(&["false"], "a member serves while it gives space back"),
    old("experimental-txn-mode-write-with-shared-buffer", Bool, "How transactions read")
        .ignored(&[], "there is no such buffer"),
    old("experimental-bootstrap-defrag-threshold-megabytes", Number, "")
        .alias_of("bootstrap-defrag-threshold-megabytes"),
    new("bootstrap-defrag-threshold-megabytes", Number, "Space that a start gives back")
        .ignored(&["0"], "space is given back while the member runs"),
    old("experimental-downgrade-check-time", Duration, "").alias_of("downgrade-check-time"),
    new("downgrade-check-time", Duration, "Time between two looks at a downgrade")
        .ignored(&["5s"], "no cluster is ever on its way to an older version"),
    old("experimental-enable-distributed-tracing", Bool, "").alias_of("enable-distributed-tracing"),
    new("enable-distributed-tracing", Bool, "Send traces").ignored(&["false"], NO_TRACES),
    old("experimental-distributed-tracing-address", Text("ADDRESS"), "")
        .alias_of("distributed-tracing-address"),
    new("distributed-tracing-address", Text("ADDRESS"), "Who takes them")
        .ignored(&["localhost:4317"], NO_TRACES),
    old("experimental-distributed-tracing-service-name", Text("NAME"), "")
        .alias_of("distributed-tracing-service-name"),
    new("distributed-tracing-service-name", Text("NAME"), "Name of the service in them")
        .ignored(&["etcd"], NO_TRACES),
    old("experimental-distributed-tracing-instance-id", Text("ID"), "")
        .alias_of("distributed-tracing-instance-id"),
    new("distributed-tracing-instance-id", Text("ID"), "Name of the member in them")
        .ignored(&[""], NO_TRACES),
    old("experimental-distributed-tracing-sampling-rate", Number, "")
        .alias_of("distributed-tracing-sampling-rate"),
    new("distributed-tracing-sampling-rate", Number, "How many of a million are sent")
        .ignored(&["0"], NO_TRACES),
    etcd("unsafe-no-fsync", Bool, "Acknowledge what is not synced")
        .ignored(&["false"], "everything is synced before it is acknowledged"),
];
