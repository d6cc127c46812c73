//! Numbers and times in few letters.

use std::time::Duration;

/// At most five letters up to a million millions.
pub(super) fn count(number: f64) -> String {
    let units = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")];
    for (least, unit) in units {
        if number >= least {
            let number = number / if unit == "k" { 1e3 } else { least };
            let digits = usize::from(number < 10.0) + usize::from(number < 100.0);
            return format!("{number:.digits$}{unit}");
        }
    }
    format!("{:.0}", number.floor())
}

/// At most six letters up to a thousand hours.
pub(super) fn time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match time.as_nanos() {
        ns @ 0..1000 => format!("{ns}ns"),
        1000..1_000_000 => three_digits(seconds * 1e6, "µs"),
        1_000_000..1_000_000_000 => three_digits(seconds * 1e3, "ms"),
        1_000_000_000..60_000_000_000 => three_digits(seconds, "s"),
        _ if seconds < 3600.0 => format!("{}m{:02}s", time.as_secs() / 60, time.as_secs() % 60),
        _ => format!("{}h{:02}m", time.as_secs() / 3600, time.as_secs() / 60 % 60),
    }
}

fn three_digits(number: f64, unit: &str) -> String {
    let digits = usize::from(number < 10.0) + usize::from(number < 100.0);
    format!("{number:.digits$}{unit}")
}

/// As a clock shows it.
pub(super) fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    format!(
        "{}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// No longer than `width`; what is cut off leaves a mark.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept = text.chars().take(width.saturating_sub(1));
    kept.chain((width > 0).then_some('…')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_short() {
        let cases = [
            (0.0, "0"),
            (0.9, "0"),
            (9999.0, "9999"),
            (10_000.0, "10.0k"),
            (123_456.0, "123k"),
            (1_234_567.0, "1.23M"),
            (45_600_000.0, "45.6M"),
            (7.0e9, "7.00G"),
            (7.0e12, "7.00T"),
        ];
        for (number, text) in cases {
            assert_eq!(count(number), text);
            assert!(text.len() <= 5);
        }
    }

    #[test]
    fn times_are_short() {
        let cases = [
            (0, "0ns"),
            (999, "999ns"),
            (1500, "1.50µs"),
            (12_345_678, "12.3ms"),
            (250_000_000, "250ms"),
            (3_210_000_000, "3.21s"),
            (61_000_000_000, "1m01s"),
            (7_384_000_000_000, "2h03m"),
        ];
        for (ns, text) in cases {
            assert_eq!(time(Duration::from_nanos(ns)), text);
            assert!(text.chars().count() <= 6);
        }
        assert_eq!(clock(Duration::from_secs(3725)), "1:02:05");
    }

    #[test]
    fn long_texts_end_with_a_mark() {
        assert_eq!(cut("steady-1", 8), "steady-1");
        assert_eq!(cut("steady-12", 8), "steady-…");
        assert_eq!(cut("größer", 4), "grö…");
        assert_eq!(cut("x", 0), "");
    }
}
