//! Times on the command line.

use std::time::Duration;

/// A sum of numbers, each with a unit or not: `30`, `500ms`, `1.5m`, `1h30m`. More than the longest time there is means no limit.
pub fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || "not a time such as 30, 500ms, 1.5m or 1h30m".to_owned();
    let mut seconds = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(['s', 'm', 'h', 'd']).unwrap_or(rest.len());
        let (number, tail) = rest.split_at(end);
        let (unit, length) = match tail.as_bytes() {
            [b'm', b's', ..] => (0.001, 2),
            [b'm', ..] => (60.0, 1),
            [b'h', ..] => (3600.0, 1),
            [b'd', ..] => (86400.0, 1),
            [_s, ..] => (1.0, 1),
            [] => (1.0, 0),
        };
        seconds += number.parse::<f64>().map_err(|_| wrong())? * unit;
        rest = &tail[length..];
    }
    if seconds.is_nan() || seconds <= 0.0 {
        return Err(wrong());
    }
    Ok(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

#[cfg(test)]
mod tests {
    use super::parse;
    use std::time::Duration;

    #[test]
    fn times_are_sums() {
        let cases = [
            ("30", 30_000),
            ("30s", 30_000),
            ("500ms", 500),
            ("1.5m", 90_000),
            ("2h", 7_200_000),
            ("1d", 86_400_000),
            ("1h30m", 5_400_000),
            ("1m30", 90_000),
            ("1m5ms", 60_005),
            ("1e3", 1_000_000),
        ];
        for (text, milliseconds) in cases {
            assert_eq!(
                parse(text),
                Ok(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
        assert_eq!(parse("1e30d"), Ok(Duration::MAX));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "", "0", "0ms", "-1", "nan", "s", "ms", "1 s", "1x", "1hm", "soon", "1µs",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
