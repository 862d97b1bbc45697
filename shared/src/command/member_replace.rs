//! `member replace`: puts a new member in the place of one that is gone, step by step.
//!
//! Each step looks at the cluster first and goes by what is there, so that a run that was cut off is continued by the same
//! line. What may come next is decided in [`Replacement`]; here it is carried out and told.

use std::time::Duration;

use mini_etcd_proto::etcdserverpb::{
    Member, MemberAddRequest, MemberPromoteRequest, MemberRemoveRequest,
};

use super::member_add::{settings, start_line};
use super::member_change::check_peer_urls;
use super::replacement::{Asked, Look, Next, Replacement, named};
use super::spec::{Arg, ArgKind, CommandSpec, Effect, Flag, ValueKind};
use super::{CommandLine, Input, Made, Refusal, Reply, Report, Request};
use crate::client::Client;
use crate::clock::{Clock as _, Moment, SystemClock};
use crate::error::ClientError;
use crate::failure::{Failure, done, exit};
use crate::format::{Answer, Field, Format, Page, Value};
use crate::text::duration;

/// Pause between two looks at a member that is not in sync yet, or after a step that the cluster did not take.
const PAUSE: Duration = Duration::from_secs(1);

/// Tries of a step that the cluster does not take for the moment, or of which nobody knows what became.
const TRIES: u32 = 60;

/// Looks at a member that does not answer and that the leader has heard lately, before it is taken for one that is there.
const HEARD_TRIES: u32 = 5;

/// What a cluster says that has just changed, and whose members have not heard each other for long enough.
const UNHEALTHY: &str = "etcdserver: unhealthy cluster";

/// What it says while the new member has not caught up.
const NOT_READY: &str =
    "etcdserver: can only promote a learner member which is in sync with leader";

/// `member replace`
pub(super) const MEMBER_REPLACE: CommandSpec = CommandSpec {
    group: "member",
    effect: Effect::Destroys,
    args: &[Arg::needed("member", ArgKind::Member)],
    flags: &[
        Flag::switch(
            "force",
            "replace one that answers: the new one comes first, the old one goes last",
        ),
        Flag::new("name", ValueKind::Text, "", "name of the new member [default: the old one's]"),
        Flag::new(
            "peer-urls",
            ValueKind::Text,
            "",
            "where peers reach the new one [default: where they reached the old one]",
        ),
    ],
    long: "The member is named by name or id. One that does not answer is removed, a learner is added in its place, and once it is started\n\
        and in sync it gets its vote. Ctrl-C ends the command, not what it did: the same line goes on from there.\n\
        All other voters must answer, for while one is away the cluster takes no new member.",
    examples: &["member replace n3", "member replace n3 --peer-urls=http://10.0.0.4:2380"],
    ..CommandSpec::new("replace", "Puts a new member in the place of one that is gone", made)
};

fn made(line: &CommandLine<'_>) -> Made {
    let [who] = line.args() else {
        return Err(Refusal::bad_args("member replace needs one argument: a member's name or id"));
    };
    let urls = line.text("peer-urls");
    let asked = Asked {
        who: String::from_utf8_lossy(who).into_owned(),
        name: line.text("name"),
        peer_urls: urls.split_terminator(',').map(|url| url.trim().to_owned()).collect(),
        force: line.switch("force"),
    };
    Ok(Box::new(Replace::new(asked, None)))
}

/// A replacement under way.
#[derive(Debug)]
pub(super) struct Replace {
    asked: Asked,
    /// None before the first look.
    course: Option<Replacement>,
    /// How often the present step was tried.
    tries: u32,
    /// Whether it was said how the new member is started.
    is_start_told: bool,
    /// When the new member was first seen to be behind, and by how much.
    first_seen: Option<(Moment, u64)>,
    clock: SystemClock,
}

impl Replace {
    /// One that begins, or goes on with a course.
    pub(super) fn new(asked: Asked, course: Option<Replacement>) -> Self {
        let clock = SystemClock::new();
        Self { asked, course, tries: 0, is_start_told: false, first_seen: None, clock }
    }

    async fn step(&mut self, client: &Client) -> Result<Told, Failure> {
        check_peer_urls(&self.asked.peer_urls)?;
        let look = Look::take(client).await?;
        let refuse = |text| Failure::new(exit::ERROR, text);
        let Some(course) = &self.course else {
            if self.tries < HEARD_TRIES && Replacement::is_old_only_heard(&self.asked, &look) {
                self.tries += 1;
                return Ok(Told { pause: PAUSE, ..Told::nothing("begun", 0) });
            }
            self.tries = 0;
            let course = Replacement::begin(&self.asked, &look).map_err(refuse)?;
            let told = Told::of("begun", course.old_id(), course.what_if(&look));
            self.course = Some(course);
            return Ok(told);
        };
        let course = course.clone();
        match course.next(&look).map_err(refuse)? {
            Next::Remove(old) => self.remove(client, &old).await,
            Next::Add => self.add(client, course).await,
            Next::Wait(new) => self.wait(client, &course, &look, &new).await,
            Next::Done(new) => {
                let text = format!("{} is replaced by {}", self.asked.who, named(&new));
                let text = if course.replaces { text } else { format!("{} votes", named(&new)) };
                Ok(Told { is_last: true, ..Told::of("done", new.id, text) })
            }
        }
    }

    async fn remove(&mut self, client: &Client, old: &Member) -> Result<Told, Failure> {
        let request = MemberRemoveRequest { id: old.id };
        if let Err(failure) = done(client.member_remove(request).await) {
            return self.try_again("removed", old.id, failure);
        }
        self.tries = 0;
        if let Some(course) = &mut self.course {
            course.is_removed = true;
        }
        Ok(Told::of("removed", old.id, format!("removed {}", named(old))))
    }

    async fn add(&mut self, client: &Client, mut course: Replacement) -> Result<Told, Failure> {
        let request = MemberAddRequest { peer_ur_ls: course.peer_urls.clone(), is_learner: true };
        let added = match done(client.member_add(request).await) {
            Ok(added) => added,
            Err(failure) => return self.try_again("added", 0, failure),
        };
        self.tries = 0;
        let Some(new) = added.member else {
            return Err(Failure::new(exit::ERROR, "the server does not say whom it added"));
        };
        let text = format!("added {} at {} as a learner", named(&new), new.peer_ur_ls.join(","));
        let mut told = Told::of("added", new.id, text);
        self.tell_start(&mut told, &added.members, &new, &course.name);
        course.new = Some(new.id);
        self.course = Some(course);
        Ok(told)
    }

    /// Says how the new member is started.
    fn tell_start(&mut self, told: &mut Told, members: &[Member], new: &Member, name: &str) {
        self.is_start_told = true;
        told.lines.extend(settings(members, new, name, &new.peer_ur_ls.join(",")));
        told.start = start_line(members, new, name);
        told.lines.extend(told.start.clone());
        told.lines.push("it needs an empty directory; this command waits for it".to_owned());
    }

    /// Gives the new member its vote if it may have it, or says how far it is.
    async fn wait(
        &mut self,
        client: &Client,
        course: &Replacement,
        look: &Look,
        new: &Member,
    ) -> Result<Told, Failure> {
        let mut told = Told { pause: PAUSE, ..Told::nothing("waiting", new.id) };
        if !look.up.contains(&new.id) {
            if !self.is_start_told {
                told.lines.push(format!("waits until {} is started", named(new)));
                self.tell_start(&mut told, &look.members, new, &course.name);
            }
            return Ok(told);
        }
        match done(client.member_promote(MemberPromoteRequest { id: new.id }).await) {
            Ok(_) => {
                self.tries = 0;
                let text = format!("{} is in sync and votes", named(new));
                let told = Told::of("promoted", new.id, text);
                return Ok(Told { is_last: !course.replaces, ..told });
            }
            Err(failure) if says(&failure, NOT_READY) => {}
            Err(failure) => return self.try_again("promoted", new.id, failure),
        }
        self.tries = 0;
        if look.gets_snapshot.contains(&new.id) {
            told.lines.push(format!("{} gets a snapshot", named(new)));
        } else if let Some(behind) = look.behind(new.id) {
            let now = self.clock.now();
            let (since, at_first) = *self.first_seen.get_or_insert((now, behind));
            let pace = Pace::of(at_first, behind, now.since(since));
            told.lines.push(format!("{} is {behind} entries behind{}", named(new), pace.words()));
            told.progress = Some((behind, pace));
        }
        Ok(told)
    }

    /// A step that may go well in a moment, or may have gone well.
    fn try_again(
        &mut self,
        step: &'static str,
        member: u64,
        failure: Failure,
    ) -> Result<Told, Failure> {
        let is_passing = failure.unknown || says(&failure, UNHEALTHY);
        if !is_passing || self.tries >= TRIES {
            return Err(failure);
        }
        self.tries += 1;
        let mut told = Told { pause: PAUSE, ..Told::nothing(step, member) };
        if self.tries == 1 {
            told.lines.push(format!("not {step} yet, tries again: {failure}"));
        }
        Ok(told)
    }

    /// Where things stand, and how to go on.
    fn stands(&self) -> String {
        self.course
            .as_ref()
            .map_or_else(|| "nothing was changed".to_owned(), |course| course.stands(&self.asked))
    }
}

/// Whether a server refused in these words.
fn says(failure: &Failure, words: &str) -> bool {
    matches!(&failure.error, Some(ClientError::Refused { message, .. }) if message == words)
}

impl Request for Replace {
    fn run<'a>(mut self: Box<Self>, client: &'a Client, _input: &'a mut dyn Input) -> Reply<'a> {
        Box::pin(async move {
            match self.step(client).await {
                Ok(told) => {
                    let again = (!told.is_last).then_some((told.pause, self as Box<dyn Request>));
                    Report { again, ..Report::of(told) }
                }
                Err(failure) => Report { notes: vec![self.stands()], ..failure.into() },
            }
        })
    }

    fn pending(&self) -> Option<String> {
        Some(self.stands())
    }
}

/// How fast a member catches up.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Pace {
    /// Entries per second that it comes nearer.
    per_second: u64,
    left: Option<Duration>,
}

impl Pace {
    fn of(at_first: u64, behind: u64, after: Duration) -> Self {
        let nearer = u128::from(at_first.saturating_sub(behind)) * 1000;
        let per_second = nearer.checked_div(after.as_millis()).unwrap_or(0);
        let per_second = u64::try_from(per_second).unwrap_or(u64::MAX);
        Self { per_second, left: behind.checked_div(per_second).map(Duration::from_secs) }
    }

    fn words(self) -> String {
        self.left.map_or_else(String::new, |left| {
            format!(", comes {} nearer each second, {} left", self.per_second, duration(left))
        })
    }
}

/// What one step came to.
#[derive(Debug)]
struct Told {
    step: &'static str,
    /// The member that the step is about; 0 for none.
    member: u64,
    lines: Vec<String>,
    /// The line that starts the new member.
    start: Option<String>,
    /// Entries that the new member lacks, and how fast it gets them.
    progress: Option<(u64, Pace)>,
    /// Before the next step.
    pause: Duration,
    is_last: bool,
}

impl Told {
    fn nothing(step: &'static str, member: u64) -> Self {
        let (lines, start, progress) = (Vec::new(), None, None);
        Self { step, member, lines, start, progress, pause: Duration::ZERO, is_last: false }
    }

    fn of(step: &'static str, member: u64, line: String) -> Self {
        Self { lines: vec![line], ..Self::nothing(step, member) }
    }
}

impl Answer for Told {
    fn shown(&self, _hex: bool) -> Value {
        let mut shown = vec![
            Field::new("step", "Step", self.step),
            Field::new("ID", "ID", Value::Id(self.member)),
        ];
        shown.extend(self.start.as_ref().map(|line| Field::new("start", "Start", line)));
        if let Some((behind, pace)) = self.progress {
            shown.push(Field::new("behind", "Behind", behind).always());
            shown.push(Field::new("perSecond", "PerSecond", pace.per_second).always());
            let left =
                pace.left.map(|left| Field::new("secondsLeft", "SecondsLeft", left.as_secs()));
            shown.extend(left.map(Field::always));
        }
        shown.into()
    }

    fn simple(&self, page: &mut Page<'_>) {
        self.lines.iter().for_each(|line| page.line(line));
    }

    fn format(&self, asked: Format) -> Result<Format, Failure> {
        let is_of_fields = !matches!(asked, Format::Protobuf | Format::Table);
        Ok(if is_of_fields { asked } else { Format::Simple })
    }

    fn is_of_cluster(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_goes_by_what_was_caught_up_so_far() {
        let left = |at_first, behind, seconds| {
            Pace::of(at_first, behind, Duration::from_secs(seconds)).words()
        };
        assert_eq!(left(1000, 400, 3), ", comes 200 nearer each second, 2s left");
        for (at_first, behind, seconds) in [(1000, 1000, 0), (1000, 1000, 5), (1000, 2000, 5)] {
            assert_eq!(left(at_first, behind, seconds), "", "it does not come nearer");
        }
    }
}
