//! Flags of `mini-etcd-tui`, and what they lead to.

use std::ffi::OsString;
use std::io::{IsTerminal, stdin, stdout};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, Subcommand, ValueEnum};
use mini_etcd_shared::client::{Client, ClientConfig, Endpoint};
use mini_etcd_shared::clock::{Clock, SystemClock};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::bundled::{Fleet, MEMBERS_MAX};
use crate::connect::{Connect, Reach, USUAL};
use crate::console::event_loop::{Console, Left};
use crate::console::keymap::Keymap;
use crate::console::spec::Spec;
use crate::console::terminal::Screen;
use crate::console::{Attach, Effect, Origin, Setup, State};
use crate::engine::{Engine, Handle};
use crate::profile::{Profile, Profiles, config_dir};
use crate::widget::theme::{self, Depth, Theme};
use crate::widget::{Glyphs, Look};
use crate::{bundled, complaint, demo, engine};

/// Exit code for bad flags, and for being started where the console cannot work.
const USAGE: u8 = 128;
/// Exit code after a signal, without the signal's number: as shells have it.
const SIGNALLED: u8 = 128;
/// Exit code after a panic, as Rust programs have it.
const PANIC: u8 = 101;
/// How long the usual place may take to answer.
const PROBE_WITHIN: Duration = Duration::from_secs(1);

/// The console for etcd clusters.
///
/// Without endpoints it looks for a server at 127.0.0.1:2379 and, when none answers, starts a bundled one on a free port
/// and temporary data, and says so. With endpoints it starts none by itself. It works with etcd 3.4 and later as well as
/// with mini-etcd.
#[derive(Debug, Parser)]
#[command(name = "mini-etcd-tui", version, args_conflicts_with_subcommands = true)]
struct Flags {
    #[command(flatten)]
    connect: Connect,
    /// Start N bundled members on temporary data, to be killed and started from the screen, with sample data that lives
    #[arg(long, visible_alias = "bundled", value_name = "N", num_args = 0..=1,
          default_missing_value = "3",
          value_parser = clap::value_parser!(u8).range(1..=MEMBERS_MAX as i64))]
    demo: Option<u8>,
    /// With --demo: no sample data, and nobody who changes it
    #[arg(long, requires = "demo")]
    empty: bool,
    /// Look only: whatever would change something is refused before it is sent
    #[arg(long)]
    read_only: bool,
    /// Where to look when no endpoints are given
    #[arg(long, hide = true, default_value = USUAL, value_name = "HOST:PORT")]
    usual: String,
    /// dark, light, either, or the name of a file in ~/.config/mini-etcd/themes; auto is what COLORFGBG says, or either
    #[arg(long, default_value = "auto")]
    theme: String,
    /// No box drawing and no blocks
    #[arg(long)]
    ascii: bool,
    /// Whether to use colours; auto heeds NO_COLOR
    #[arg(long, value_enum, default_value = "auto", value_name = "WHEN")]
    color: When,
    /// Whether the mouse selects, scrolls and goes to panes; off leaves it to the terminal
    #[arg(long, value_enum, default_value = "on", value_name = "WHEN")]
    mouse: Mouse,
    #[command(subcommand)]
    program: Option<Program>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum When {
    Auto,
    Always,
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mouse {
    On,
    Off,
}

#[derive(Debug, Subcommand)]
enum Program {
    /// One bundled member.
    #[command(hide = true)]
    Serve {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// The language at a prompt; a batch when standard input is not a terminal
    Repl(Box<crate::repl::Flags>),
    /// Runs scripts and reports as TAP
    Run(Box<crate::script::Flags>),
    /// Tells which layer of a connection fails, as `mini-etcdctl doctor` does
    Doctor {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
}

/// The program `mini-etcd-tui`.
#[must_use]
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    // A member's flags are the server's business, `--help` and all.
    if args.get(1).is_some_and(|word| word == "serve") {
        let own = std::iter::once(OsString::from("--stop-with-stdin"));
        return mini_etcd_server::server::main_with_args(own.chain(args.into_iter().skip(2)));
    }
    // A command of the table has the flags of the table.
    if args.get(1).is_some_and(|word| word == "doctor") {
        return crate::ctl::main();
    }
    let flags = match Flags::try_parse_from(args) {
        Ok(flags) => flags,
        Err(error) => {
            let asked = !error.use_stderr();
            let _printed = error.print();
            return if asked { ExitCode::SUCCESS } else { ExitCode::from(USAGE) };
        }
    };
    match &flags.program {
        Some(Program::Repl(flags)) => return ExitCode::from(crate::repl::run(flags)),
        Some(Program::Run(flags)) => return ExitCode::from(crate::script::run(flags)),
        _ => {}
    }
    match console(&flags) {
        Ok(code) => code,
        Err(error) => {
            complaint::say(&format!("mini-etcd-tui: {error:#}"));
            ExitCode::from(error.downcast_ref::<Refusal>().map_or(1, |_| USAGE))
        }
    }
}

/// What was asked for cannot be done as it was asked.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refusal(String);

fn refuse<T>(error: impl std::fmt::Display) -> anyhow::Result<T> {
    Err(Refusal(error.to_string()).into())
}

fn console(flags: &Flags) -> anyhow::Result<ExitCode> {
    let keymap = keymap()?;
    let reach = flags.connect.reach(None).or_else(refuse)?;
    let look = look(flags, reach.profile.as_ref())?;
    if flags.demo.is_some() && !reach.endpoints.is_empty() {
        return refuse(
            "--demo starts members of its own: leave out --endpoints (and ETCDCTL_ENDPOINTS)",
        );
    }
    if !stdout().is_terminal() || !stdin().is_terminal() {
        return refuse(
            "standard input and output must be a terminal; for plain output use mini-etcdctl, as in \
             `mini-etcdctl --endpoints 127.0.0.1:2379 endpoint status -w table`",
        );
    }
    if let Some(terminal) = screenless() {
        return refuse(format!(
            "TERM={terminal} names a terminal that cannot show screens: set TERM to what it really is, \
             as xterm-256color; without screens there are `mini-etcd-tui repl` and mini-etcdctl"
        ));
    }
    if flags.color == When::Always {
        crossterm::style::force_color_output(true);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let left = runtime.block_on(run(flags, reach, look, keymap))?;
    Ok(match left {
        Left::Quit | Left::Attach(_) => ExitCode::SUCCESS,
        Left::Signal(number) => ExitCode::from(SIGNALLED.saturating_add(number)),
        Left::Panic => ExitCode::from(PANIC),
    })
}

/// The type of the terminal, when it has no alternate screen or no cursor that can be placed.
fn screenless() -> Option<String> {
    let terminal = std::env::var("TERM").ok()?;
    let screenless = ["dumb", "emacs", "unknown", "vt52", "vt100", "vt102"];
    screenless.contains(&terminal.as_str()).then_some(terminal)
}

async fn run(
    flags: &Flags,
    mut reach: Reach,
    mut look: Look,
    keymap: Keymap,
) -> anyhow::Result<Left> {
    let mut target = first(flags, reach.endpoints.clone()).await?;
    let clock = SystemClock::new();
    let mut screen = None;
    loop {
        let (origin, endpoints, fleet) = target.open()?;
        let instead_of = target.instead_of();
        let has_sample = target.is_demo() && !flags.empty;
        let sample = has_sample.then(|| Client::new(ClientConfig::new(endpoints.clone())));
        let sample = sample.transpose()?;
        let setup = engine::Setup {
            reach: if fleet.is_some() { reach.bundled(endpoints) } else { reach.at(endpoints) },
            read_only: flags.read_only || reach.is_read_only(),
            fleet,
            instead_of,
            clock: clock.clone(),
        };
        let (engine, handle, inbox) = Engine::new(setup);
        let taken = match screen.take() {
            Some(screen) => screen,
            None => {
                Screen::take(flags.mouse == Mouse::On).context("cannot take over the terminal")?
            }
        };
        let named = matches!(target, Target::Named(_));
        let mut state = State::new(Setup {
            look: look.clone(),
            keymap: keymap.clone(),
            origin,
            read_only: flags.read_only || reach.is_read_only(),
            user: reach.user().filter(|_| named),
            profile: reach.profile.clone().filter(|_| named),
            flags: if named { reach.flags() } else { Vec::new() },
            profiles: Profiles::read().map(|all| all.names()).unwrap_or_default(),
            size: crossterm::terminal::size()?,
        });
        let engine = tokio::spawn(engine.run());
        let writer = sample.map(|client| {
            follow_all(&mut state, &handle);
            tokio::spawn(demo::run(client, demo::Pace::of_console(flags.read_only)))
        });
        let (handle_of_console, clock) = (handle.clone(), clock.clone());
        let mut console = Console { state, screen: taken, engine: handle_of_console, inbox, clock };
        let (left, turned) = looked_at(flags, &mut console).await;
        if let Some(writer) = writer {
            writer.abort();
        }
        // IMPORTANT: the terminal is given back before the members are stopped, unless the next look goes on with it.
        let next = match (&left, turned) {
            (_, Some((to, with))) => {
                (reach, look) = (to, with);
                Some(Target::Named(reach.endpoints.clone()))
            }
            (Ok(Left::Attach(to)), None) => target.next(to),
            _ => None,
        };
        screen = next.is_some().then_some(console.screen);
        handle.send(crate::engine::order::Order::Quit);
        let ended = engine.await;
        let logs = ended.as_ref().ok().and_then(Option::as_ref);
        if let Some(logs) = logs.filter(|_| screen.is_none()) {
            complaint::say(&bundled::logs_stay(logs));
        }
        let left = left.context("the terminal is gone")?;
        match next {
            Some(next) if ended.is_ok() => target = next,
            _ => return Ok(if ended.is_ok() { left } else { Left::Panic }),
        }
    }
}

/// Runs a console until it is left; and what comes next, when that is a profile that can be used.
async fn looked_at(
    flags: &Flags,
    console: &mut Console,
) -> (std::io::Result<Left>, Option<(Reach, Look)>) {
    loop {
        let left = console.run().await;
        let Ok(Left::Attach(Attach::Profile(name))) = &left else { return (left, None) };
        // It may ask for a password.
        let asked = async { turn_to(flags, name) };
        match console.screen.lend(asked).await {
            Ok((Ok(turned), _)) => return (left, Some(turned)),
            Ok((Err(error), _)) => {
                let what = format!("the profile {name} cannot be used");
                let (now, next) = (console.clock.now(), "nothing was changed here".to_owned());
                console.state.ctx.toasts.error(now, what, error.to_string(), next);
            }
            Err(error) => return (Err(error), None),
        }
    }
}

/// What a profile says, and how the console looks with it.
fn turn_to(flags: &Flags, name: &str) -> anyhow::Result<(Reach, Look)> {
    let reach = Connect::of_profile(name).reach(Some(USUAL)).or_else(refuse)?;
    let look = look(flags, reach.profile.as_ref())?;
    Ok((reach, look))
}

/// A demo begins with a tail of all keys, so that its changes are there to be seen.
fn follow_all(state: &mut State, engine: &Handle) {
    let spec = Spec { previous: true, ..Spec::default() };
    for effect in state.watch.begin(spec, None) {
        if let Effect::Engine(order) = effect {
            engine.send(order);
        }
    }
}

/// What to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    /// What was named, or what answers at the usual place.
    Named(Vec<Endpoint>),
    /// So many bundled members.
    Demo(usize),
    /// A bundled one, because nobody answers at these.
    StandIn(Vec<Endpoint>),
}

impl Target {
    /// Prepares it: the bundled members, and where to ask.
    fn open(&self) -> anyhow::Result<(Origin, Vec<Endpoint>, Option<Fleet>)> {
        let typed = |of: &[Endpoint]| of.iter().map(ToString::to_string).collect();
        let (origin, count) = match self {
            Self::Named(endpoints) => {
                return Ok((Origin::Endpoints(typed(endpoints)), endpoints.clone(), None));
            }
            Self::Demo(count) => (Origin::Demo(*count), *count),
            Self::StandIn(of) => (Origin::StandIn(typed(of)), 1),
        };
        let fleet = Fleet::demo(count).context("cannot prepare the bundled members")?;
        Ok((origin, fleet.endpoints(), Some(fleet)))
    }

    fn instead_of(&self) -> Vec<Endpoint> {
        if let Self::StandIn(of) = self { of.clone() } else { Vec::new() }
    }

    /// Whether it was asked for to play with: nothing else gets sample data.
    fn is_demo(&self) -> bool {
        matches!(self, Self::Demo(_))
    }

    /// What is looked at next.
    fn next(&self, to: &Attach) -> Option<Self> {
        match (self, to) {
            (Self::Named(of), Attach::Bundled) => Some(Self::StandIn(of.clone())),
            (Self::StandIn(of), Attach::Named) => Some(Self::Named(of.clone())),
            _ => None,
        }
    }
}

/// What to look at first. Whoever names endpoints gets no other server unasked; without any, one that is bundled stands in
/// where nobody answers.
async fn first(flags: &Flags, endpoints: Vec<Endpoint>) -> anyhow::Result<Target> {
    if let Some(count) = flags.demo.map(usize::from) {
        return Ok(Target::Demo(count));
    }
    if !endpoints.is_empty() {
        return Ok(Target::Named(endpoints));
    }
    let usual = vec![Endpoint::parse(&flags.usual).or_else(refuse)?];
    let answers = timeout(PROBE_WITHIN, TcpStream::connect(&flags.usual)).await;
    Ok(if matches!(answers, Ok(Ok(_))) { Target::Named(usual) } else { Target::StandIn(usual) })
}

fn look(flags: &Flags, profile: Option<&Profile>) -> anyhow::Result<Look> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let depth = match flags.color {
        When::Never => Depth::None,
        When::Auto if set("NO_COLOR").is_some() => Depth::None,
        _ if set("COLORTERM").is_some_and(|says| says == "truecolor" || says == "24bit") => {
            Depth::True
        }
        _ => Depth::Sixteen,
    };
    let said = profile.and_then(|profile| profile.theme.as_deref());
    let name = match flags.theme.as_str() {
        "auto" if said.is_some_and(|said| said != "auto") => said.unwrap_or_default(),
        "auto" => theme::fitting(set("COLORFGBG").as_deref()),
        name => name,
    };
    let file = config_dir().map(|dir| dir.join("themes").join(format!("{name}.toml")));
    let named = !name.contains(['/', '.']);
    let user = file.filter(|_| named).map_or(Ok(None), |file| read(&file))?;
    let theme = Theme::load(name, depth, user.as_deref()).or_else(refuse)?;
    let glyphs = if flags.ascii { Glyphs::ascii() } else { Glyphs::unicode() };
    Ok(Look { theme, glyphs })
}

fn keymap() -> anyhow::Result<Keymap> {
    let file = config_dir().map(|dir| dir.join("keymap.toml"));
    let user = file.as_deref().map_or(Ok(None), read)?;
    let name = file.map(|file| file.display().to_string()).unwrap_or_default();
    Keymap::load(user.as_deref().map(|text| (name.as_str(), text))).or_else(refuse)
}

fn read(file: &Path) -> anyhow::Result<Option<String>> {
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => refuse(format!("{}: {error}", file.display())),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use mini_etcd_shared::port::HeldPort;

    use super::*;

    #[test]
    fn the_flags_are_sound() {
        Flags::command().debug_assert();
    }

    #[test]
    fn a_demo_has_one_member_at_least_and_three_by_default() {
        assert!(Flags::try_parse_from(["x", "--demo", "0"]).is_err());
        assert_eq!(Flags::try_parse_from(["x", "--demo"]).unwrap().demo, Some(3));
        assert_eq!(Flags::try_parse_from(["x", "--bundled", "1"]).unwrap().demo, Some(1));
    }

    #[tokio::test]
    async fn a_bundled_server_stands_in_only_where_no_endpoints_were_named() {
        let held = HeldPort::new().unwrap();
        let silent = std::net::TcpListener::bind(held.address()).unwrap();
        let usual = held.address().to_string();
        let flags = Flags::try_parse_from(["x", "--usual", &usual]).unwrap();
        let named = vec![Endpoint::parse("h:1").unwrap()];
        let asked = vec![Endpoint::parse(&usual).unwrap()];
        assert_eq!(first(&flags, named.clone()).await.unwrap(), Target::Named(named.clone()));
        assert_eq!(first(&flags, Vec::new()).await.unwrap(), Target::Named(asked.clone()));
        drop(silent);
        assert_eq!(first(&flags, Vec::new()).await.unwrap(), Target::StandIn(asked));
        assert_eq!(first(&flags, named.clone()).await.unwrap(), Target::Named(named));
    }

    #[test]
    fn only_a_demo_gets_sample_data() {
        let at = vec![Endpoint::parse("h:1").unwrap()];
        let targets = [Target::Demo(1), Target::Named(at.clone()), Target::StandIn(at)];
        assert_eq!(targets.map(|target| target.is_demo()), [true, false, false]);
        assert!(
            Flags::try_parse_from(["x", "--empty"]).is_err(),
            "without --demo it means nothing"
        );
    }
}
