//! How popular a world is: an average of the users that it says it has, which the port works
//! out itself.
//!
//! The average forgets by half in a week, so it is what a world was like lately, and a world
//! that falls silent sinks. What one statement adds is damped three times. It counts for the
//! time since the last one, and for five minutes at the most, so that saying it more often adds
//! nothing. Users above a bound do not count. And worlds are ordered by the *degree* of their
//! popularity, the logarithm of the average: to rise by one degree a world has to
//! claim twice as many users for a long time, and all worlds of a degree are alike.

use vwp_core::environment::Timestamp;

/// After how long a past number of users counts half, in milliseconds.
const HALF_LIFE_MS: f64 = 7.0 * 24.0 * 60.0 * 60.0 * 1000.0;
/// How long one statement counts at the most, in milliseconds.
const STATEMENT_MS_MAX: u64 = 5 * 60 * 1000;
/// More users than these count as these.
const USERS_MAX: u64 = 100_000;
/// The highest degree.
pub const DEGREE_MAX: u8 = 15;

/// The average after a world said how many users it has.
pub fn observe(score: f64, observed_at: Option<Timestamp>, users: u64, now: Timestamp) -> f64 {
    let since = observed_at.map_or(STATEMENT_MS_MAX, |at| now.saturating_sub(at)).min(STATEMENT_MS_MAX);
    // Bounded, and so exact.
    #[allow(clippy::cast_precision_loss, reason = "at most 100,000")]
    let users = users.min(USERS_MAX) as f64;
    let share = 1.0 - kept(since);
    decayed(score, observed_at, now).mul_add(1.0 - share, users * share)
}

/// The average after a time without any statement but for the one that is being made.
pub fn decayed(score: f64, observed_at: Option<Timestamp>, now: Timestamp) -> f64 {
    let silent = observed_at.map_or(0, |at| now.saturating_sub(at)).saturating_sub(STATEMENT_MS_MAX);
    score * kept(silent)
}

/// The degree of an average: 0 below one user in 64, and one more for every doubling.
pub fn degree(score: f64) -> u8 {
    let degree = (1.0 + 64.0 * score.max(0.0)).log2().floor() / 1.5;
    // Between 0 and 15, and so never cut.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 15")]
    let degree = degree.clamp(0.0, f64::from(DEGREE_MAX)) as u8;
    degree
}

/// What is left of one after a time.
fn kept(time_ms: u64) -> f64 {
    // A time that is too long to be exact leaves nothing.
    #[allow(clippy::cast_precision_loss, reason = "rounds what is far beyond every half-life")]
    let time_ms = time_ms as f64;
    (-time_ms / HALF_LIFE_MS).exp2()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_MS: u64 = 60_000;

    /// The average of a world that has so many users for so long, and says so every so often.
    fn after(users: u64, minutes: u64, every: u64) -> f64 {
        let (mut score, mut at) = (0.0, None);
        for minute in (0..=minutes).step_by(usize::try_from(every).unwrap()) {
            let now = minute * MINUTE_MS;
            score = observe(score, at, users, now);
            at = Some(now);
        }
        score
    }

    #[test]
    fn a_steady_world_comes_to_be_known_for_its_users() {
        let month = after(200, 60 * 24 * 60, 5);
        assert!((195.0..=200.0).contains(&month), "{month}");
        assert!(after(200, 7 * 24 * 60, 5) > 90.0);
    }

    #[test]
    fn saying_it_more_often_adds_nothing() {
        let (often, seldom) = (after(500, 600, 1), after(500, 600, 5));
        assert!((often - seldom).abs() / seldom < 0.01, "{often} {seldom}");
    }

    #[test]
    fn one_huge_claim_does_not_make_a_world_popular() {
        let honest = after(50, 24 * 60, 5);
        let boast = observe(0.0, None, u64::MAX, 0);
        assert!(degree(boast) <= degree(honest) + 2, "{boast} {honest}");
        assert!(degree(f64::MAX) == DEGREE_MAX && degree(-1.0) == 0 && degree(f64::NAN) == 0);
    }

    #[test]
    fn a_silent_world_sinks() {
        let at = Some(0);
        let week = decayed(100.0, at, 7 * 24 * 60 * MINUTE_MS + STATEMENT_MS_MAX);
        assert!((week - 50.0).abs() < 0.01, "{week}");
        assert!(degree(decayed(100.0, at, 365 * 24 * 60 * MINUTE_MS)) == 0);
    }

    #[test]
    fn degrees_are_in_the_order_of_averages() {
        let degrees: Vec<u8> = (0..40).map(|power| degree(f64::from(power).exp2() / 256.0)).collect();
        assert!(degrees.is_sorted());
        assert_eq!((degrees[0], degrees[39]), (0, DEGREE_MAX));
    }
}
