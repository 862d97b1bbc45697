//! The connection doctor: which layer fails between here and each server, and what to do.
//!
//! * I1: at most one examination is under way, and it has its deadlines: it is not given up when its overlay is closed, and
//!   what it finds is there when that is opened again.

use mini_etcd_shared::client::{Diagnosis, Examined, LayerFound, examine};
use mini_etcd_shared::clock::Moment;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::scrolled;
use crate::console::{Context, Effect, Origin, Overlay, State};
use crate::engine::request::{Answer, Clients, Parts, Request, Ticket, Trouble};
use crate::screens::requests::Requests;
use crate::widget::theme::Meaning;
use crate::widget::{age, duration_us, say, wrap};

/// Who asks: the frame, which is no screen.
pub(crate) const OF_FRAME: u8 = 0;
/// Widest overlay.
const WIDTH_MAX: u16 = 116;
/// Width of what stands before the words of a step.
const BEFORE: usize = 26;

/// An examination of the servers that the console was told of, and of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examine {
    /// Endpoints beside those.
    pub beside: Vec<String>,
}

impl Request for Examine {
    type Answer = Diagnosis;

    async fn run(self, clients: Clients, _: Parts<Diagnosis>) -> Result<Diagnosis, Trouble> {
        let config = clients.client.config();
        let mut given: Vec<String> =
            config.endpoints.iter().map(|one| one.as_str().to_owned()).collect();
        given.extend(
            self.beside
                .into_iter()
                .filter(|other| !config.endpoints.iter().any(|one| one.leads_where(other))),
        );
        Ok(examine(&given, true, config).await)
    }
}

type Found = Result<Diagnosis, Trouble>;

/// What the doctor was asked, and has found.
#[derive(Clone, Debug)]
pub struct Doctor {
    requests: Requests<Found>,
    /// When it was asked last.
    since: Moment,
    found: Option<Found>,
}

impl Default for Doctor {
    fn default() -> Self {
        let requests = Requests::new(OF_FRAME);
        Self { requests, since: Moment::default(), found: None }
    }
}

impl Doctor {
    pub(crate) fn answered(&mut self, ticket: Ticket, answer: Answer) {
        if let Some(found) = self.requests.take(ticket, answer) {
            self.found = Some(found);
        }
    }

    /// I1
    fn examine(&mut self, ctx: &Context) -> Vec<Effect> {
        if !self.requests.is_empty() {
            return Vec::new();
        }
        self.since = ctx.now;
        self.found = None;
        let mut beside = match &ctx.origin {
            Origin::StandIn(of) => of.clone(),
            Origin::Endpoints(_) | Origin::Demo(_) => Vec::new(),
        };
        let members = ctx.cluster.members.iter().map(|member| member.listed.endpoint.clone());
        beside.extend(members.filter(|endpoint| !endpoint.is_empty()));
        self.requests.ask(Examine { beside }, |_, found| found)
    }
}

/// Opens the overlay, and has everything examined anew.
pub(crate) fn open(state: &mut State) -> Vec<Effect> {
    let is_doctor = |overlay: &Overlay| matches!(overlay, Overlay::Doctor(_));
    if !state.ctx.overlays.last().is_some_and(is_doctor) {
        state.ctx.overlays.retain(|overlay| !is_doctor(overlay));
        state.ctx.overlays.push(Overlay::Doctor(0));
    }
    state.doctor.examine(&state.ctx)
}

/// Every line of the overlay: what fails first.
#[must_use]
pub fn doctor_lines(state: &State) -> Vec<Line<'static>> {
    let (look, ctx) = (&state.ctx.look, &state.ctx);
    let room = usize::from(width(ctx)).saturating_sub(4);
    let one = |meaning, words: &str| {
        let parts = wrap(words, room.saturating_sub(1)).into_iter();
        parts.map(|part| Line::from(say(look, meaning, format!(" {part}")))).collect::<Vec<_>>()
    };
    let diagnosis = match &state.doctor.found {
        None => {
            let since = age(ctx.now.since(state.doctor.since));
            let words = format!("{} examining every endpoint, for {since}", look.glyphs.wait);
            return one(Meaning::Dim, &words);
        }
        Some(Err(Trouble { place, why, next })) => {
            let words = [place.as_str(), why, next];
            let words: Vec<_> = words.into_iter().filter(|words| !words.is_empty()).collect();
            return one(Meaning::Bad, &words.join(": "));
        }
        Some(Ok(diagnosis)) => diagnosis,
    };
    let soon = diagnosis.endpoints.iter().any(|one| one.soon().is_some());
    let meaning = match (diagnosis.is_well(), soon) {
        (true, false) => Meaning::Ok,
        (true, true) => Meaning::Warn,
        (false, _) => Meaning::Bad,
    };
    let mut lines = one(meaning, &diagnosis.verdict());
    let failing = diagnosis.endpoints.iter().filter(|one| one.trouble().is_some());
    let well = diagnosis.endpoints.iter().filter(|one| one.trouble().is_none());
    for examined in failing.chain(well) {
        lines.push(Line::default());
        lines.extend(of_endpoint(ctx, examined, room));
    }
    lines
}

fn of_endpoint(ctx: &Context, one: &Examined, room: usize) -> Vec<Line<'static>> {
    let look = &ctx.look;
    let (meaning, sign) = match (one.trouble(), one.soon()) {
        (None, None) => (Meaning::Ok, look.glyphs.full),
        (None, Some(_)) => (Meaning::Warn, look.glyphs.full),
        (Some(_), _) => (Meaning::Bad, look.glyphs.down),
    };
    let by = one.advertised_by.as_ref().map(|by| format!("  advertised by {by}"));
    let mut lines = vec![Line::from(vec![
        say(look, meaning, format!(" {sign} ")),
        say(look, Meaning::Strong, one.endpoint.clone()),
        say(look, Meaning::Dim, by.unwrap_or_default()),
    ])];
    lines.extend(one.findings.iter().flat_map(|step| of_step(ctx, step, room)));
    let verdict = wrap(&one.verdict(), room.saturating_sub(5)).into_iter().enumerate();
    lines.extend(verdict.map(|(at, part)| {
        let arrow = if at == 0 { look.glyphs.arrow } else { " " };
        Line::from(say(look, meaning, format!("   {arrow} {part}")))
    }));
    lines
}

fn of_step(ctx: &Context, step: &LayerFound, room: usize) -> Vec<Line<'static>> {
    let look = &ctx.look;
    let (meaning, mark) = match (&step.next, &step.soon) {
        (None, None) => (Meaning::Ok, "ok"),
        (None, Some(_)) => (Meaning::Warn, "soon"),
        (Some(_), _) => (Meaning::Bad, "FAIL"),
    };
    let took = duration_us(u64::try_from(step.took.as_micros()).unwrap_or(u64::MAX));
    let parts = wrap(&step.found, room.saturating_sub(BEFORE)).into_iter().enumerate();
    let line = |(at, part): (usize, String)| {
        let text = say(look, Meaning::Text, part);
        if at > 0 {
            return Line::from(vec![Span::raw(" ".repeat(BEFORE)), text]);
        }
        Line::from(vec![
            say(look, meaning, format!("   {mark:<4} ")),
            say(look, Meaning::Text, format!("{:<8}", step.layer.name())),
            say(look, Meaning::Dim, format!("{took:>8}  ")),
            text,
        ])
    };
    parts.map(line).collect()
}

fn width(ctx: &Context) -> u16 {
    ctx.size.0.saturating_sub(4).min(WIDTH_MAX)
}

/// Draws the overlay from line `first` on; answers where.
pub(crate) fn draw(state: &State, frame: &mut Frame<'_>, first: u16) -> Rect {
    let lines = doctor_lines(state);
    let hint = " ! examines again, Esc closes, j k scroll ";
    scrolled(&state.ctx, frame, ("Connection doctor", hint), width(&state.ctx), (lines, first))
}
