//! [`Figures`]: what became of the puts of a check, and what is said of them.

use std::collections::BTreeMap;
use std::time::Duration;

/// Part of the puts that were asked for which must get through.
const THROUGHPUT_MIN: f64 = 0.9;
/// Longest that a put may take, in seconds.
const SLOWEST_MAX: f64 = 0.5;
/// Largest standard deviation, in seconds.
const STDDEV_MAX: f64 = 0.1;
/// Kinds of errors that are told apart.
const ERRORS_MAX: usize = 100;
/// What the others are called.
const OTHER_ERRORS: &str = "another error";

/// See the module. It does not grow with the number of puts.
#[derive(Debug, Default)]
pub(super) struct Figures {
    answered: u64,
    /// Mean of what they took, in seconds, and the sum of the squares of what each differs from it.
    mean: f64,
    squares: f64,
    /// In seconds.
    slowest: f64,
    /// How often each error came.
    errors: BTreeMap<String, u64>,
}

/// What a check comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub lines: Vec<String>,
    pub passed: bool,
}

impl Figures {
    /// Takes up a put that was answered.
    pub fn answer(&mut self, took: Duration) {
        let took = took.as_secs_f64();
        self.answered += 1;
        let off = took - self.mean;
        self.mean += off / float(self.answered);
        self.squares += off * (took - self.mean);
        self.slowest = self.slowest.max(took);
    }

    /// Takes up a put that failed.
    pub fn failure(&mut self, words: String) {
        let is_room = self.errors.len() < ERRORS_MAX || self.errors.contains_key(&words);
        let words = if is_room { words } else { OTHER_ERRORS.to_owned() };
        *self.errors.entry(words).or_default() += 1;
    }

    /// How many puts were answered.
    pub fn answered(&self) -> u64 {
        self.answered
    }

    /// The lines about errors; none when there were none.
    fn failures(&self) -> Vec<String> {
        let head = (!self.errors.is_empty()).then(|| "FAIL: too many errors".to_owned());
        let each =
            self.errors.iter().map(|(words, times)| format!("FAIL: ERROR({words}) -> {times}"));
        head.into_iter().chain(each).collect()
    }

    /// Whether so many puts a second got through, which `took` so long, and fast enough.
    pub fn on_speed(&self, per_second: u32, took: Duration) -> Verdict {
        let mut lines = self.failures();
        let mut passed = lines.is_empty();
        let rate = float(self.answered) / took.as_secs_f64();
        // Of no puts there is no deviation.
        let stddev = (self.squares / float(self.answered)).sqrt();
        let slowest = self.slowest;
        let whole = rate.trunc() + 1.0;
        let mut judge = |fails: bool, bad: String, good: String| {
            passed &= !fails;
            lines.push(if fails { bad } else { good });
        };
        judge(
            rate / f64::from(per_second) <= THROUGHPUT_MIN,
            format!("FAIL: Throughput too low: {whole:.0} writes/s"),
            format!("PASS: Throughput is {whole:.0} writes/s"),
        );
        judge(
            slowest > SLOWEST_MAX,
            format!("Slowest request took too long: {slowest:.6}s"),
            format!("PASS: Slowest request took {slowest:.6}s"),
        );
        judge(
            stddev > STDDEV_MAX,
            format!("Stddev too high: {stddev:.6}s"),
            format!("PASS: Stddev is {stddev:.6}s"),
        );
        lines.push(if passed { "PASS" } else { "FAIL" }.to_owned());
        Verdict { lines, passed }
    }

    /// How much memory they took, by the bytes `before` and `after` them.
    pub fn on_memory(&self, before: u64, after: u64) -> Verdict {
        let lines = self.failures();
        if !lines.is_empty() {
            return Verdict { lines, passed: false };
        }
        let grown = (float(after) - float(before)) / float(1 << 20);
        let line = format!("PASS: Approximate system memory used : {grown:.2} MB.");
        Verdict { lines: vec![line], passed: true }
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures are shown with few digits")]
fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(took_ms: &[u64]) -> Figures {
        let mut figures = Figures::default();
        for ms in took_ms {
            figures.answer(Duration::from_millis(*ms));
        }
        figures
    }

    fn lines(verdict: &Verdict) -> Vec<&str> {
        verdict.lines.iter().map(String::as_str).collect()
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn puts_that_all_get_through_in_time_pass() {
        // Mean 200 ms, so that the deviation is 100 ms.
        let verdict = figures(&[100, 300]).on_speed(2, SECOND);
        let wanted = [
            "PASS: Throughput is 3 writes/s",
            "PASS: Slowest request took 0.300000s",
            "PASS: Stddev is 0.100000s",
            "PASS",
        ];
        assert_eq!((lines(&verdict), verdict.passed), (wanted.to_vec(), true));
    }

    #[test]
    fn each_limit_fails_by_itself() {
        let few = figures(&[10; 9]).on_speed(10, SECOND);
        assert!(!few.passed && few.lines[0] == "FAIL: Throughput too low: 10 writes/s", "{few:?}");
        assert_eq!(
            few.lines[1..3],
            ["PASS: Slowest request took 0.010000s", "PASS: Stddev is 0.000000s"]
        );
        let mut slow = vec![10; 99];
        slow.push(501);
        let slow = figures(&slow).on_speed(100, SECOND);
        assert!(
            !slow.passed && slow.lines[1] == "Slowest request took too long: 0.501000s",
            "{slow:?}"
        );
        assert!(slow.lines[2].starts_with("PASS: Stddev is 0.04"), "{slow:?}");
        let uneven = figures(&[100, 302]).on_speed(2, SECOND);
        assert!(!uneven.passed && uneven.lines[2] == "Stddev too high: 0.101000s", "{uneven:?}");
        for verdict in [few, slow, uneven] {
            assert_eq!(verdict.lines.last().unwrap(), "FAIL");
        }
    }

    #[test]
    fn one_error_fails_either_check_and_is_counted() {
        let mut figures = figures(&[10; 100]);
        for words in ["b", "a", "b"] {
            figures.failure(words.to_owned());
        }
        let errors = ["FAIL: too many errors", "FAIL: ERROR(a) -> 1", "FAIL: ERROR(b) -> 2"];
        let speed = figures.on_speed(100, SECOND);
        assert_eq!((&lines(&speed)[..3], speed.passed), (&errors[..], false));
        assert_eq!(lines(&speed)[3], "PASS: Throughput is 101 writes/s");
        let memory = figures.on_memory(0, 1 << 20);
        assert_eq!((lines(&memory), memory.passed), (errors.to_vec(), false));
    }

    #[test]
    fn memory_is_told_in_mebibytes_also_when_it_shrinks() {
        let told = |before, after| figures(&[1]).on_memory(before, after).lines.concat();
        assert_eq!(told(1 << 20, 5 << 19), "PASS: Approximate system memory used : 1.50 MB.");
        assert_eq!(told(2 << 20, 1 << 20), "PASS: Approximate system memory used : -1.00 MB.");
    }

    #[test]
    fn errors_of_any_number_of_kinds_take_bounded_room() {
        let mut figures = Figures::default();
        (0..1000).for_each(|kind| figures.failure(format!("kind {kind}")));
        assert_eq!(figures.errors.len(), ERRORS_MAX + 1);
        assert_eq!(figures.errors.values().sum::<u64>(), 1000);
    }

    #[test]
    fn nothing_written_is_no_success() {
        let verdict = Figures::default().on_speed(150, SECOND);
        assert!(!verdict.passed && verdict.lines[0] == "FAIL: Throughput too low: 1 writes/s");
    }
}
