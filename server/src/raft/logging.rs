//! What the crate logs, as events of `tracing`.

use std::fmt;

use slog::{Drain, KV, Level, Logger, Never, OwnedKVList, Record, Serializer, o};

use crate::repeats::{Say, TimedRepeats};

/// A logger for the crate.
pub fn logger() -> Logger {
    Logger::root(Bridge::default().fuse(), o!())
}

/// A peer decides how often the crate complains of it.
#[derive(Default)]
struct Bridge {
    /// By the place in the crate's source.
    complaints: TimedRepeats<(&'static str, u32)>,
}

impl Drain for Bridge {
    type Ok = ();
    type Err = Never;

    fn log(&self, record: &Record<'_>, values: &OwnedKVList) -> Result<(), Never> {
        // One level down: what the crate tells at "info" is told in plainer words by the driver.
        match record.level() {
            level @ (Level::Critical | Level::Error | Level::Warning) => {
                let place = (record.file(), record.line());
                let Some(Say { more }) = self.complaints.say(place) else { return Ok(()) };
                if level == Level::Warning {
                    tracing::warn!(more, "{}", Line(record, values));
                } else {
                    tracing::error!(more, "{}", Line(record, values));
                }
            }
            Level::Info => tracing::debug!("{}", Line(record, values)),
            Level::Debug | Level::Trace => tracing::trace!("{}", Line(record, values)),
        }
        Ok(())
    }
}

/// A record in one line; written only if somebody listens.
struct Line<'a>(&'a Record<'a>, &'a OwnedKVList);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.msg())?;
        let mut pairs = Pairs(f);
        let written = self.0.kv().serialize(self.0, &mut pairs);
        written.and_then(|()| self.1.serialize(self.0, &mut pairs)).map_err(|_| fmt::Error)
    }
}

struct Pairs<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl Serializer for Pairs<'_, '_> {
    fn emit_arguments(&mut self, key: slog::Key, value: &fmt::Arguments<'_>) -> slog::Result {
        write!(self.0, " {key}={value}").map_err(slog::Error::from)
    }
}
