//! Numbers as people read them.

use std::time::Duration;

/// Digits in groups of three.
#[must_use]
pub fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// So many of something: `1 key`, `1 204 keys`.
#[must_use]
pub fn counted(value: u64, noun: &str) -> String {
    let plural = if value == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(value))
}

/// At most four characters: `7`, `999`, `1.2k`, `84k`, `3.1M`.
#[must_use]
pub fn short(value: u64) -> String {
    scaled(value, 1000, ["", "k", "M", "G", "T", "P", "E"])
}

/// Bytes: `301M`, `2.0G`.
#[must_use]
pub fn bytes(value: u64) -> String {
    scaled(value, 1024, ["B", "K", "M", "G", "T", "P", "E"])
}

fn scaled(value: u64, step: u64, units: [&str; 7]) -> String {
    let (mut unit, mut scale) = (0_usize, 1_u64);
    // A value is shown in the next unit once it would need a fourth digit.
    while value / scale >= 1000 && unit + 1 < units.len() {
        scale = scale.saturating_mul(step);
        unit += 1;
    }
    let name = units.get(unit).copied().unwrap_or("");
    let tenths = u128::from(value) * 10 / u128::from(scale);
    if unit > 0 && tenths < 100 {
        format!("{}.{}{name}", tenths / 10, tenths % 10)
    } else {
        format!("{}{name}", tenths / 10)
    }
}

/// Events per second: `0.4`, `12`, `1.9k`.
#[must_use]
pub fn rate(value: f64) -> String {
    if value <= 0.0 {
        return "0".to_owned();
    }
    if value < 9.95 {
        return format!("{value:.1}");
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "rounded, above 9, shown short"
    )]
    let whole = value.round() as u64;
    short(whole)
}

/// Microseconds: `870us`, `3.2ms`, `41ms`, `1.4s`.
#[must_use]
pub fn duration_us(us: u64) -> String {
    match us {
        0..1000 => format!("{us}us"),
        1000..10_000 => format!("{}.{}ms", us / 1000, us % 1000 / 100),
        10_000..1_000_000 => format!("{}ms", us / 1000),
        _ => format!("{}.{}s", us / 1_000_000, us % 1_000_000 / 100_000),
    }
}

/// How long: `0.9s`, `42s`, `3m12s`, `5h02m`, `12d`.
#[must_use]
pub fn age(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{}.{}s", seconds, time.subsec_millis() / 100),
        10..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// Seconds since 1970 as a time of day in UTC: `2026-12-01T12:04:31Z`.
#[must_use]
pub fn rfc3339(seconds: u64) -> String {
    // Days since 0000-03-01 in the calendar that has always been Gregorian: eras of 400 years, the leap day last.
    let days = seconds / 86_400 + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let of_month = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = year + era * 400 + next;
    let clock = seconds % 86_400;
    let (hour, minute, second) = (clock / 3600, clock % 3600 / 60, clock % 60);
    format!("{year:04}-{month:02}-{of_month:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_with_its_date() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_796_126_671, "2026-12-01T12:04:31Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(seconds), text);
        }
    }

    #[test]
    fn numbers_are_grouped_by_three() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_204_551), "1 204 551");
        assert_eq!(grouped(u64::MAX), "18 446 744 073 709 551 615");
        assert_eq!(
            (counted(1, "key"), counted(1204, "key")),
            ("1 key".into(), "1 204 keys".into())
        );
    }

    #[test]
    fn short_forms_have_at_most_four_characters() {
        assert_eq!(short(999), "999");
        assert_eq!(short(1_240), "1.2k");
        assert_eq!(short(84_000), "84k");
        assert_eq!(bytes(1023), "0.9K");
        assert_eq!(bytes(301 << 20), "301M");
        assert_eq!(bytes(2 << 30), "2.0G");
        for power in 0..64 {
            assert!(short(1 << power).len() <= 4, "{power}");
            assert!(bytes(1 << power).len() <= 4, "{power}");
        }
        assert!(short(u64::MAX).len() <= 4);
    }

    #[test]
    fn times_are_read_at_a_glance() {
        assert_eq!(duration_us(870), "870us");
        assert_eq!(duration_us(3_250), "3.2ms");
        assert_eq!(duration_us(41_700), "41ms");
        assert_eq!(duration_us(1_400_000), "1.4s");
        assert_eq!(age(Duration::from_millis(900)), "0.9s");
        assert_eq!(age(Duration::from_secs(192)), "3m12s");
        assert_eq!(age(Duration::from_secs(18_120)), "5h02m");
        assert_eq!(rate(0.0), "0");
        assert_eq!(rate(0.42), "0.4");
        assert_eq!(rate(9.96), "10");
        assert_eq!(rate(1912.4), "1.9k");
    }
}
