//! `defrag`: lets members give space back to their file systems.

use std::time::Duration;

use mini_etcd_proto::etcdserverpb::DefragmentRequest;
use tokio::time::Instant;

use super::Report;
use super::endpoint::clients;
use super::request::asks;
use super::spec::{CommandSpec, Effect, Flag};
use crate::client::Client;
use crate::failure::{Failure, done, exit};
use crate::format::{Answer, Facts, Field, Format, Page, Value, count_of};
use crate::text::{ANYTHING, duration};

/// `defrag`
pub(super) const DEFRAG: CommandSpec = CommandSpec {
    effect: Effect::Writes,
    flags: &[Flag::switch("cluster", "ask every member of the cluster instead of --endpoints")],
    long: "One member after another. A mini-etcd serves meanwhile, and goes on with it when --command-timeout is over; an etcd stands\nstill until it is done. The journals of a mini-etcd count in DB SIZE too and stay: some 16 MB may be left.",
    examples: &["defrag", "defrag --cluster --command-timeout 60s"],
    ..CommandSpec::new(
        "defrag",
        "Gives unused space of each endpoint back to its file system",
        |line| Ok(asks(line.switch("cluster"), defragment)),
    )
};

async fn defragment(client: Client, cluster: bool) -> Report {
    let asked = match clients(&client, cluster).await {
        Ok(clients) => clients,
        Err(failure) => return failure.into(),
    };
    let (mut finished, mut notes) = (Vec::new(), Vec::new());
    for (endpoint, client) in asked {
        let start = Instant::now();
        let answer = match client {
            Ok(client) => done(client.defragment(DefragmentRequest {}).await),
            Err(failure) => Err(failure),
        };
        let took = start.elapsed();
        match answer {
            Ok(_) => finished.push(Finished { endpoint, took }),
            Err(failure) => {
                let took = duration(took);
                let what = format!("Failed to defragment etcd member[{endpoint}]");
                notes.push(format!("{what}. took {took}. ({failure})"));
            }
        }
    }
    // The notes say it.
    let failure = (!notes.is_empty()).then(|| Failure::new(exit::ERROR, ""));
    Report { notes, failure, ..Report::of(finished) }
}

/// An endpoint that is done.
#[derive(Debug)]
struct Finished {
    /// As it was typed.
    endpoint: String,
    /// How long it took.
    took: Duration,
}

impl Answer for Vec<Finished> {
    fn shown(&self, _hex: bool) -> Value {
        let fields = |one: &Finished| vec![Field::new("endpoint", "Endpoint", &one.endpoint)];
        Value::List(self.iter().map(fields).collect())
    }

    fn simple(&self, page: &mut Page<'_>) {
        for Finished { endpoint, took } in self {
            let took = duration(*took);
            page.line(&format!("Finished defragmenting etcd member[{endpoint}]. took {took}"));
        }
    }

    fn format(&self, asked: Format) -> Result<Format, Failure> {
        Ok(asked.or_simple())
    }

    fn facts(&self) -> Facts<'_> {
        Facts { count: count_of(self.len()), ..Facts::default() }
    }

    fn is_of_cluster(&self) -> bool {
        true
    }

    fn masked(&self, line: &str) -> String {
        match line.split_once('[') {
            Some((before, _)) => format!("{before}[{ANYTHING}]. took {ANYTHING}"),
            None => line.to_owned(),
        }
    }
}
