//! Spans of time as people write them in variables and arguments.

use std::time::Duration;

/// Reads a whole number and one of `s`, `m`, `h`, `d`; none if the text is not that.
pub fn parse(text: &str) -> Option<Duration> {
    let (count, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit_s = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return None,
    };
    count.parse::<u64>().ok()?.checked_mul(unit_s).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_of_time_is_a_number_and_a_unit() {
        for (text, seconds) in [("0s", 0), ("90s", 90), ("5m", 300), ("2h", 7200), ("30d", 2_592_000)] {
            assert_eq!(parse(text), Some(Duration::from_secs(seconds)));
        }
        for text in ["", "d", "30", "-1d", "1.5h", "30 d", "1µ", "99999999999999999999d"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
