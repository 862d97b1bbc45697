//! Goal: nothing that is typed, pasted or done to the window makes the real program panic or keep the terminal. Method:
//! seeded sequences of keys, escape sequences, pastes and sizes; then it is told to end, and the terminal is as before.

use std::time::{Duration, Instant};

use crate::console::{Console, DEADLINE};

/// Runs, each with its seed.
const RUNS: u64 = 6;
/// What is done in one.
const STEPS: u32 = 300;

/// Numbers that look random and are the same for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 11) % u64::try_from(sides).unwrap()).unwrap()
    }

    fn of<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list.get(self.roll(list.len())).copied().unwrap()
    }
}

/// Keys that do something on some screen. Not among them: `^z`, which stops the program.
const KEYS: &[&str] = &[
    "1", "2", "3", "5", "j", "k", "g", "G", "h", "l", "\r", "\t", "\x1b", "\x1b\x1b", ":", "?",
    "e", "E", "n", "d", "y", "u", "R", "H", "v", "f", "F", "/", "|", "[", "]", "{", "}", "t", "T",
    "B", " ", "Y", "r", "z", "x", "w", "p", "=", "s", "c", "N", ".", "\x03", "\x04", "\x15",
    "\x13", "\x12", "\x0c", "\x7f", "q",
];

/// What terminals send for other keys, for the mouse, for focus; and what no terminal sends.
const SEQUENCES: &[&str] = &[
    "\x1b[A",
    "\x1b[B",
    "\x1b[C",
    "\x1b[D",
    "\x1b[H",
    "\x1b[F",
    "\x1b[5~",
    "\x1b[6~",
    "\x1b[3~",
    "\x1b[Z",
    "\x1bOP",
    "\x1b[1;5C",
    "\x1b[24~",
    "\x1b[I",
    "\x1b[O",
    "\x1b[<0;10;5M",
    "\x1b[<0;10;5m",
    "\x1b[<65;1;1M",
    "\x1b[M !!",
    "\x1b[?1;2c",
    "\x1b[12;40R",
    "\x1b[999999999999;1~",
    "\x1b]52;c;?\x07",
    "\x1b[<;;M",
    "\u{e9}",
    "\u{65e5}\u{672c}",
    "\u{1f469}\u{200d}\u{1f467}",
    "\u{202e}",
    "\u{0}",
    "\u{80}",
];

/// Text that is typed into whatever takes it.
const WORDS: &[&str] = &[
    "/a/b",
    "put /a/b c\r",
    "get \"\" --prefix\r",
    r"\xff\x00",
    "99999999999999999999",
    "put k \"\\x1b[31m\"\r",
    "watch / --prefix & as w\r",
    "del /a/b\r",
    "help\r",
    "txn if\r",
    "key:a & put\r",
    "'unclosed\r",
    "{\"a\":1}",
];

fn paste(text: &str) -> String {
    format!("\x1b[200~{text}\x1b[201~")
}

fn start() -> Console {
    let mut console = Console::start_with(&["--demo", "1"], &[("EDITOR", "true"), ("VISUAL", "")]);
    console.sees("quorum 1/1");
    console
}

/// Nothing was said of a panic, and the terminal is as it was.
fn ends_well(console: Console, seed: u64) {
    let said = String::from_utf8_lossy(&console.raw).into_owned();
    assert!(!said.contains("panicked"), "seed {seed:#x}\n{said}");
    // By keys, or by the signal that ends a run.
    let code = console.ends().exit_code();
    assert!([0, 143].contains(&code), "seed {seed:#x}: {code}");
}

fn step(console: &mut Console, dice: &mut Dice) {
    match dice.roll(10) {
        0..=4 => console.press(dice.of(KEYS)),
        5 | 6 => console.press(dice.of(SEQUENCES)),
        7 => console.press(dice.of(WORDS)),
        8 => {
            let text = dice.of(WORDS).repeat(dice.roll(40));
            console.press(&paste(&text));
        }
        _ => {
            let mut side = |most| u16::try_from(1 + dice.roll(most)).unwrap();
            let (cols, rows) = (side(300), side(100));
            console.resize(cols, rows);
        }
    }
    console.take_in(Duration::from_millis(2));
}

fn play(seed: u64) {
    // Shown when the test fails.
    eprintln!("seed {seed:#x}");
    let mut console = start();
    let mut dice = Dice(seed);
    for _ in 0..STEPS {
        step(&mut console, &mut dice);
        if console.has_ended() {
            // By keys that end it.
            ends_well(std::mem::replace(&mut console, start()), seed);
        }
    }
    for (cols, rows) in [(1, 1), (300, 100), (1, 100), (300, 1)] {
        console.resize(cols, rows);
        console.take_in(Duration::from_millis(2));
    }
    // It still draws, whatever lies on top, unless the last keys have ended it.
    console.resize(50, 12);
    let deadline = Instant::now() + DEADLINE;
    while !console.shown().contains("this is 50x12") && !console.has_ended() {
        assert!(Instant::now() < deadline, "it draws no more\n{}", console.shown());
        console.take_in(Duration::from_millis(20));
    }
    if !console.has_ended() {
        console.signal("-TERM");
    }
    ends_well(console, seed);
}

#[test]
fn random_keys_and_sizes_neither_end_it_nor_keep_the_terminal() {
    for n in 1..=RUNS {
        play(n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    }
}
