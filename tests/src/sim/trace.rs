//! What happened, as one number that two runs of a seed must share, and as lines for who looks into one.

/// A trace.
#[derive(Debug, Default)]
pub struct Trace {
    hash: u64,
    last: String,
    events: u64,
    print: bool,
}

impl Trace {
    /// A trace; with `print`, every line goes to standard error.
    #[must_use]
    pub fn new(print: bool) -> Self {
        Self { print, ..Self::default() }
    }

    /// Something happened.
    pub fn note(&mut self, line: impl FnOnce() -> String) {
        self.last = line();
        self.events += 1;
        for byte in self.last.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if self.print {
            eprintln!("{}", self.last);
        }
    }

    /// The last line, shortened.
    #[must_use]
    pub fn last(&self) -> String {
        self.last.chars().take(120).collect()
    }

    /// The number of the whole trace.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// Lines so far.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }
}
