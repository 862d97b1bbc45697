//! Flags of `mini-etcd-tui`, and what they lead to.

use std::ffi::OsString;
use std::io::{IsTerminal, stdin, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, Subcommand, ValueEnum};
use mini_etcd_server::clock::SystemClock;
use mini_etcd_shared::client::Endpoint;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::app::{Look, Origin, Setup, State};
use crate::bundled::{Fleet, MEMBERS_MAX};
use crate::engine::{self, Engine};
use crate::event::{Console, Left};
use crate::keymap::Keymap;
use crate::terminal::Screen;
use crate::theme::{Depth, Theme};
use crate::widget::Glyphs;

/// Exit code for bad flags, and for being started where the console cannot work.
const USAGE: u8 = 128;
/// Exit code after a panic, as Rust programs have it.
const PANIC: u8 = 101;
/// Where a server is looked for when none is named.
const USUAL: &str = "127.0.0.1:2379";
/// Where the bundled server keeps its data.
const USUAL_DATA: &str = "data/default";
/// How long the usual place may take to answer.
const PROBE_WITHIN: Duration = Duration::from_secs(1);

/// The console for etcd clusters.
///
/// Without endpoints it looks for a server at 127.0.0.1:2379 and, when none answers, starts a bundled one on
/// data/default. It works with etcd 3.4 and later as well as with mini-etcd.
#[derive(Debug, Parser)]
#[command(name = "mini-etcd-tui", version, args_conflicts_with_subcommands = true)]
struct Flags {
    /// Members to ask, separated by commas; the others are found by themselves
    #[arg(
        long,
        visible_alias = "endpoint",
        value_delimiter = ',',
        env = "ETCDCTL_ENDPOINTS",
        value_name = "HOST:PORT"
    )]
    endpoints: Vec<String>,
    /// Start N bundled members on temporary data, to be killed and started from the screen
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "3",
          value_parser = clap::value_parser!(u8).range(1..=MEMBERS_MAX as i64))]
    demo: Option<u8>,
    /// dark, light, or the name of a file in ~/.config/mini-etcd/themes
    #[arg(long, default_value = "dark")]
    theme: String,
    /// No box drawing and no blocks
    #[arg(long)]
    ascii: bool,
    /// Whether to use colours; auto heeds NO_COLOR
    #[arg(long, value_enum, default_value = "auto", value_name = "WHEN")]
    color: When,
    #[command(subcommand)]
    program: Option<Program>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum When {
    Auto,
    Always,
    Never,
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
            eprintln!("mini-etcd-tui: {error:#}");
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
    let look = look(flags)?;
    let keymap = keymap()?;
    let endpoints: Result<Vec<Endpoint>, _> = flags
        .endpoints
        .iter()
        .filter(|text| !text.is_empty())
        .map(|text| Endpoint::parse(text))
        .collect();
    let endpoints = endpoints.or_else(refuse)?;
    if flags.demo.is_some() && !endpoints.is_empty() {
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
    if flags.color == When::Always {
        crossterm::style::force_color_output(true);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let left = runtime.block_on(run(flags, endpoints, look, keymap))?;
    Ok(match left {
        Left::Quit | Left::Signal => ExitCode::SUCCESS,
        Left::Panic => ExitCode::from(PANIC),
    })
}

async fn run(
    flags: &Flags,
    endpoints: Vec<Endpoint>,
    look: Look,
    keymap: Keymap,
) -> anyhow::Result<Left> {
    let (origin, endpoints, fleet) = origin(flags.demo, endpoints).await?;
    let clock = SystemClock::new();
    let (engine, handle, inbox) =
        Engine::new(engine::Setup { endpoints, fleet, clock: clock.clone() });
    let screen = Screen::take().context("cannot take over the terminal")?;
    let size = crossterm::terminal::size()?;
    let state = State::new(Setup { look, keymap, origin, size });
    let engine = tokio::spawn(engine.run());
    let console = Console { state, screen, engine: handle.clone(), inbox, clock };
    // The screen is dropped, and the terminal given back, before the members are stopped.
    let left = console.run().await;
    handle.send(crate::app::Effect::Quit);
    let ended = engine.await;
    let left = left.context("the terminal is gone")?;
    Ok(if ended.is_ok() { left } else { Left::Panic })
}

/// Which servers to look at: the named ones, bundled ones, or what answers at the usual place.
async fn origin(
    demo: Option<u8>,
    endpoints: Vec<Endpoint>,
) -> anyhow::Result<(Origin, Vec<Endpoint>, Option<Fleet>)> {
    if !endpoints.is_empty() {
        let typed = endpoints.iter().map(ToString::to_string).collect();
        return Ok((Origin::Endpoints(typed), endpoints, None));
    }
    if let Some(count) = demo.map(usize::from) {
        let fleet = Fleet::demo(count).context("cannot prepare the bundled members")?;
        return Ok((Origin::Demo(count), fleet.endpoints(), Some(fleet)));
    }
    if let Ok(Ok(_)) = timeout(PROBE_WITHIN, TcpStream::connect(USUAL)).await {
        let usual = Endpoint::parse(USUAL).or_else(refuse)?;
        return Ok((Origin::Endpoints(vec![USUAL.to_owned()]), vec![usual], None));
    }
    let fleet =
        Fleet::single(Path::new(USUAL_DATA)).context("cannot prepare the bundled server")?;
    let endpoints = fleet.endpoints();
    let at = endpoints.first().map(ToString::to_string).unwrap_or_default();
    let why = format!("nothing answered at {USUAL}");
    Ok((Origin::Fallback(format!("{USUAL_DATA}, at {at}"), why), endpoints, Some(fleet)))
}

fn look(flags: &Flags) -> anyhow::Result<Look> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let depth = match flags.color {
        When::Never => Depth::None,
        When::Auto
            if set("NO_COLOR").is_some() || set("TERM").is_some_and(|term| term == "dumb") =>
        {
            Depth::None
        }
        _ if set("COLORTERM").is_some_and(|says| says == "truecolor" || says == "24bit") => {
            Depth::True
        }
        _ => Depth::Sixteen,
    };
    let file = config_dir().map(|dir| dir.join("themes").join(format!("{}.toml", flags.theme)));
    let named = !flags.theme.contains(['/', '.']);
    let user = file.filter(|_| named).map_or(Ok(None), |file| read(&file))?;
    let theme = Theme::load(&flags.theme, depth, user.as_deref()).or_else(refuse)?;
    let glyphs = if flags.ascii { Glyphs::ascii() } else { Glyphs::unicode() };
    Ok(Look { theme, glyphs })
}

fn keymap() -> anyhow::Result<Keymap> {
    let file = config_dir().map(|dir| dir.join("keymap.toml"));
    let user = file.as_deref().map_or(Ok(None), read)?;
    let name = file.map(|file| file.display().to_string()).unwrap_or_default();
    Keymap::load(user.as_deref().map(|text| (name.as_str(), text))).or_else(refuse)
}

fn config_dir() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config")))?;
    Some(base.join("mini-etcd"))
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

    use super::*;

    #[test]
    fn the_flags_are_sound() {
        Flags::command().debug_assert();
    }

    #[test]
    fn endpoints_come_as_a_list_or_one_by_one() {
        let parse = |args: &[&str]| Flags::try_parse_from(args).map(|flags| flags.endpoints);
        assert_eq!(parse(&["x", "--endpoints", "a:1,b:2"]).unwrap(), ["a:1", "b:2"]);
        assert_eq!(parse(&["x", "--endpoint=a:1"]).unwrap(), ["a:1"]);
        assert!(Flags::try_parse_from(["x", "--demo", "0"]).is_err());
        assert_eq!(Flags::try_parse_from(["x", "--demo"]).unwrap().demo, Some(3));
    }
}
