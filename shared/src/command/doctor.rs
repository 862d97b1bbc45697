//! `doctor`: tells which layer between here and each endpoint fails first.

use super::spec::{Arg, ArgKind, CommandSpec, Flag};
use super::{CommandLine, Input, Made, Reply, Report, Request};
use crate::client::{Client, Diagnosis, Examined, LayerFound, examine};
use crate::failure::{Failure, exit};
use crate::format::{Answer, Facts, Field, Message, Page, Table, Value, count_of};
use crate::text::{ANYTHING, duration};

/// `doctor`
pub const DOCTOR: CommandSpec = CommandSpec {
    args: &[Arg::rest("endpoint", ArgKind::Endpoint)],
    flags: &[Flag::new(
        "advertised",
        super::ValueKind::Switch,
        "true",
        "examine also the client addresses that member lists name",
    )],
    long: "Looks at address, name, TCP, TLS, HTTP/2, login, status and a linearizable read of each endpoint, by default of\n--endpoints, and says what to do about the first that fails. The exit code is 1 when one fails.",
    examples: &["doctor", "doctor https://10.0.0.1:2379 -w table", "doctor --advertised=false"],
    ..CommandSpec::new("doctor", "Tells which layer of a connection fails", made)
};

#[expect(clippy::unnecessary_wraps, reason = "the shape of a command")]
fn made(line: &CommandLine<'_>) -> Made {
    let texts = line.args().iter().map(|word| String::from_utf8_lossy(word).into_owned());
    Ok(Box::new(Doctor { endpoints: texts.collect(), advertised: line.switch("advertised") }))
}

/// An examination. It logs in by itself, so that a login that fails is a finding.
#[derive(Debug)]
pub struct Doctor {
    /// None for those of the client.
    endpoints: Vec<String>,
    advertised: bool,
}

impl Request for Doctor {
    fn run<'a>(self: Box<Self>, client: &'a Client, _input: &'a mut dyn Input) -> Reply<'a> {
        Box::pin(async move {
            let config = client.config();
            let mut given = self.endpoints;
            if given.is_empty() {
                given.extend(config.endpoints.iter().map(|one| one.as_str().to_owned()));
            }
            let found = examine(&given, self.advertised, config).await;
            let failure = (!found.is_well()).then(|| Failure::new(exit::ERROR, found.verdict()));
            Report { failure, ..Report::of(found) }
        })
    }
}

fn fields(one: &Examined) -> Message {
    let by = one.advertised_by.as_deref().unwrap_or_default();
    let layer = |step: &LayerFound| {
        vec![
            Field::new("layer", "Layer", step.layer.name()),
            Field::new("ok", "OK", step.next.is_none()).always(),
            Field::new("took", "Took", Value::Plain(duration(step.took))),
            Field::new("found", "Found", step.found.as_str()),
            Field::new("next", "Next", step.next.as_deref().unwrap_or_default()),
            Field::new("soon", "Soon", step.soon.as_deref().unwrap_or_default()),
        ]
    };
    vec![
        Field::new("endpoint", "Endpoint", &one.endpoint),
        Field::new("advertised_by", "AdvertisedBy", by),
        Field::new("well", "Well", one.trouble().is_none()).always(),
        Field::new("layers", "", Value::List(one.findings.iter().map(layer).collect())),
        Field::blank(),
    ]
}

impl Answer for Diagnosis {
    fn shown(&self, _hex: bool) -> Value {
        Value::List(self.endpoints.iter().map(fields).collect())
    }

    fn simple(&self, page: &mut Page<'_>) {
        for one in &self.endpoints {
            let source = one.advertised_by.as_ref().map(|by| format!(" (advertised by {by})"));
            page.line(&format!("{}{}", one.endpoint, source.unwrap_or_default()));
            for step in &one.findings {
                let (mark, layer) = (mark(step), step.layer.name());
                page.line(&format!(
                    "  {mark:<4} {layer:<7} {} ({})",
                    step.found,
                    duration(step.took)
                ));
            }
            page.line(&format!("  {}", one.verdict()));
        }
        // A failure says it where failures are said.
        if self.is_well() {
            page.line(&self.verdict());
        }
    }

    fn table(&self) -> Option<Table> {
        let row = |one: &Examined, step: &LayerFound| {
            vec![
                one.endpoint.clone(),
                step.layer.name().to_owned(),
                mark(step).to_owned(),
                duration(step.took),
                step.found.clone(),
                step.next.clone().or_else(|| step.soon.clone()).unwrap_or_default(),
            ]
        };
        let rows = self
            .endpoints
            .iter()
            .flat_map(|one| one.findings.iter().map(move |step| row(one, step)));
        let head = &["ENDPOINT", "LAYER", "RESULT", "TOOK", "FOUND", "NEXT"];
        Some(Table { head, rows: rows.collect() })
    }

    fn facts(&self) -> Facts<'_> {
        Facts { count: count_of(self.endpoints.len()), ..Facts::default() }
    }

    fn is_of_cluster(&self) -> bool {
        true
    }

    /// Times, ids and addresses are others everywhere.
    fn masked(&self, _line: &str) -> String {
        ANYTHING.to_owned()
    }
}

fn mark(step: &LayerFound) -> &'static str {
    match (&step.next, &step.soon) {
        (Some(_), _) => "FAIL",
        (None, Some(_)) => "soon",
        (None, None) => "ok",
    }
}
