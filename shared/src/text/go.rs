//! [`parse_duration`]: numbers and times in the notation of Go's standard library, which etcdctl's users type and read; and
//! [`words_of_system`]: errors of the operating system in its words.

use std::io;
use std::time::Duration;

use super::quote;

/// Reads a whole number in the notation of Go's `ParseInt`; radix 0 takes the base from a prefix.
///
/// # Errors
/// What Go says: invalid syntax, or out of range.
pub(crate) fn parse_int(text: &str, radix: u32) -> Result<i64, String> {
    let refuse =
        |what: &str| format!("strconv.ParseInt: parsing {}: {what}", quote(text.as_bytes()));
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (radix, digits) = digits(unsigned, radix).ok_or_else(|| refuse("invalid syntax"))?;
    let sign = if text.starts_with('-') { "-" } else { "" };
    i64::from_str_radix(&format!("{sign}{digits}"), radix).map_err(|_| refuse("value out of range"))
}

/// Reads a whole number in the notation of Go's `ParseUint`, which has no sign; radix 0 takes the base from a prefix.
///
/// # Errors
/// What Go says: invalid syntax, or out of range.
pub(crate) fn parse_uint(text: &str, radix: u32) -> Result<u64, String> {
    let refuse =
        |what: &str| format!("strconv.ParseUint: parsing {}: {what}", quote(text.as_bytes()));
    let (radix, digits) = digits(text, radix).ok_or_else(|| refuse("invalid syntax"))?;
    u64::from_str_radix(&digits, radix).map_err(|_| refuse("value out of range"))
}

/// The radix of a number without a sign, and its digits; nothing for what is none.
fn digits(text: &str, radix: u32) -> Option<(u32, String)> {
    let (radix, digits) = match radix {
        0 => base(text)?,
        _ => (radix, text.to_owned()),
    };
    let is_number = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
    is_number.then_some((radix, digits))
}

/// The radix that a prefix names, and what stands behind it. A `_` may stand between two digits, the prefix being one.
fn base(text: &str) -> Option<(u32, String)> {
    let lower = text.to_ascii_lowercase();
    let prefixed = [("0x", 16), ("0o", 8), ("0b", 2)]
        .into_iter()
        .find_map(|(prefix, radix)| Some((radix, lower.strip_prefix(prefix)?)));
    let (radix, digits) = match prefixed {
        Some((radix, digits)) => (radix, digits.strip_prefix('_').unwrap_or(digits)),
        None if lower.len() > 1 && lower.starts_with('0') => (8, lower.as_str()),
        None => (10, lower.as_str()),
    };
    let parts: Vec<_> = digits.split('_').collect();
    parts.iter().all(|part| !part.is_empty()).then(|| (radix, parts.concat()))
}

/// Reads `true`, `false` and their short forms.
pub(crate) fn parse_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!("strconv.ParseBool: parsing {}: invalid syntax", quote(text.as_bytes()))),
    }
}

/// Reads a duration such as `1m30s` or `1.5h`; a negative one counts as none.
///
/// # Errors
/// What Go says: an invalid duration, a missing unit, or an unknown one.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let shown = quote(text.as_bytes());
    let invalid = || format!("time: invalid duration {shown}");
    let mut rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(number_end);
        let number: f64 = number.parse().map_err(|_| invalid())?;
        let unit_end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let scale = match unit {
            "" => return Err(format!("time: missing unit in duration {shown}")),
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => {
                let unit = quote(unit.as_bytes());
                return Err(format!("time: unknown unit {unit} in duration {shown}"));
            }
        };
        seconds += number * scale;
        rest = tail;
    }
    let sign = if text.starts_with('-') { 0.0 } else { 1.0 };
    Duration::try_from_secs_f64(seconds * sign).map_err(|_| invalid())
}

/// What the operating system says, as Go's library writes it: in small letters and without a number.
#[must_use]
pub fn words_of_system(error: &io::Error) -> String {
    let text = error.to_string();
    let Some(number) = error.raw_os_error() else { return text };
    let words = text.strip_suffix(&format!(" (os error {number})")).unwrap_or(&text);
    let mut letters = words.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_speaks_in_gos_words() {
        let words = |number| words_of_system(&io::Error::from_raw_os_error(number));
        assert_eq!(words(2), "no such file or directory");
        assert_eq!(words(21), "is a directory");
        assert_eq!(words(28), "no space left on device");
        assert_eq!(words_of_system(&io::Error::other("It is cut off")), "It is cut off");
    }

    #[test]
    fn numbers_and_durations_are_gos() {
        assert_eq!(parse_int("0x10", 0), Ok(16));
        assert_eq!(parse_int("017", 0), Ok(15));
        assert_eq!(parse_int("-5", 10), Ok(-5));
        assert!(parse_int("1_0", 10).unwrap_err().ends_with("invalid syntax"));
        assert_eq!((parse_int("1_0", 0), parse_uint("0x_1_f", 0)), (Ok(10), Ok(31)));
        for text in ["_1", "1_", "1__0", "0x", "0x__1", "08", "", "--1"] {
            assert!(parse_int(text, 0).unwrap_err().ends_with("invalid syntax"), "{text}");
        }
        for text in ["+1", "-1", " 1", "1e3"] {
            let said = parse_uint(text, 0).unwrap_err();
            assert_eq!(said, format!("strconv.ParseUint: parsing \"{text}\": invalid syntax"));
        }
        assert_eq!(parse_uint("18446744073709551615", 0), Ok(u64::MAX));
        assert!(parse_uint("18446744073709551616", 0).unwrap_err().ends_with("out of range"));
        assert!(parse_int("99999999999999999999", 0).unwrap_err().ends_with("value out of range"));
        assert_eq!(parse_duration("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("1.5h"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse_duration("0"), Ok(Duration::ZERO));
        assert_eq!(parse_duration("5").unwrap_err(), r#"time: missing unit in duration "5""#);
        assert_eq!(parse_duration("5x").unwrap_err(), r#"time: unknown unit "x" in duration "5x""#);
        assert_eq!(parse_duration("x").unwrap_err(), r#"time: invalid duration "x""#);
    }
}
