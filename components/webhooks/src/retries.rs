//! When a delivery is tried again.

use crate::WebhookError;
use vwp_core::environment::Settings;
use vwp_core::{Environment, Problem, duration};

/// The variable that says how long after each failure the next attempt is: whole numbers, each with one of `s`, `m`,
/// `h`, `d`. Afterwards the delivery is given up.
pub const RETRIES: &str = "webhook_retries";
/// What it is if it is not set: the schedule of the specification (Standard Webhooks 1.0.0, section Deliverability
/// and reliability), over three days.
const DEFAULT: &str = "5s,5m,30m,2h,5h,10h,14h,20h,24h";
/// The most attempts after the first one.
const RETRIES_MAX: usize = 32;
/// The longest pause, in milliseconds; also the longest that an endpoint may ask for.
const PAUSE_MS_MAX: u64 = 7 * 86_400_000;
/// A pause is longer by up to this part of it, at random, so that what failed together is not tried together.
const JITTER_PART: u64 = 10;

/// The pauses between the attempts, in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retries(Vec<u64>);

impl Retries {
    /// The schedule of a port.
    pub fn of(settings: &Settings) -> Result<Self, WebhookError> {
        let text = settings.options.get(RETRIES).map(|text| text.trim()).filter(|text| !text.is_empty());
        Self::parse(text.unwrap_or(DEFAULT)).ok_or_else(|| {
            // For whoever runs the port, in the log; a caller learns nothing of it.
            eprintln!("variable {RETRIES} is not a list of durations such as 5s,5m,2h");
            Problem::internal().into()
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let pauses: Vec<u64> = text.split(',').map(|part| pause(part.trim())).collect::<Option<_>>()?;
        (pauses.len() <= RETRIES_MAX).then_some(Self(pauses))
    }

    /// Whether there is an attempt after so many.
    pub fn has_more(&self, attempts: u32) -> bool {
        attempts as usize <= self.0.len()
    }

    /// How long after the attempt of this number, from 1 on, the next one is; none if it was the last one. An
    /// endpoint may ask for a longer pause.
    pub fn pause_ms(
        &self,
        attempts: u32,
        asked_ms: Option<u64>,
        environment: &Environment<'_>,
    ) -> Option<u64> {
        let pause = *self.0.get((attempts as usize).checked_sub(1)?)?;
        let random = u64::from_be_bytes(environment.random_bytes::<8>());
        let jitter = random % (pause / JITTER_PART).saturating_add(1);
        Some(pause.saturating_add(jitter).max(asked_ms.unwrap_or_default().min(PAUSE_MS_MAX)))
    }
}

fn pause(text: &str) -> Option<u64> {
    let pause_ms = u64::try_from(duration::parse(text)?.as_millis()).ok()?;
    Some(pause_ms).filter(|pause_ms| *pause_ms <= PAUSE_MS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use vwp_core::environment::Random;

    struct Fixed(u8);

    impl Random for Fixed {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(self.0);
        }
    }

    fn settings(retries: &str) -> Settings {
        Settings {
            zone: String::new(),
            issuer: String::new(),
            master_key: [1; 32],
            master_key_previous: None,
            admin_token: String::new(),
            options: [(RETRIES, retries.to_owned())].into(),
        }
    }

    #[test]
    fn pauses_follow_the_schedule_and_differ_by_a_tenth_at_most() {
        let settings = settings("");
        let retries = Retries::of(&settings).unwrap();
        let pauses = |random: u8| -> Vec<u64> {
            let environment = Environment { now: 0, random: &Fixed(random), settings: &settings };
            (1..=9).map(|attempts| retries.pause_ms(attempts, None, &environment).unwrap() / 1000).collect()
        };
        assert_eq!(pauses(0), [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]);
        for (least, some) in pauses(0).into_iter().zip(pauses(0xa7)) {
            assert!((least..=least + least / 10).contains(&some), "{some}");
        }
        let environment = Environment { now: 0, random: &Fixed(0), settings: &settings };
        assert_eq!(retries.pause_ms(10, None, &environment), None);
        assert!(retries.has_more(9) && !retries.has_more(10));
        // An endpoint asks for more, or for less, or for more than there is.
        assert_eq!(retries.pause_ms(1, Some(60_000), &environment), Some(60_000));
        assert_eq!(retries.pause_ms(2, Some(60_000), &environment), Some(300_000));
        assert_eq!(retries.pause_ms(1, Some(u64::MAX), &environment), Some(PAUSE_MS_MAX));
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        assert_eq!(Retries::parse("0s, 1s").unwrap(), Retries(vec![0, 1000]));
        for text in ["5", "s", "5s,", "-1s", "5 s", "8d", "1y", &"1s,".repeat(40), "5\u{fc}"] {
            assert_eq!(Retries::parse(text), None, "{text}");
        }
    }
}
