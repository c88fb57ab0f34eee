//! Asking again: a port that is busy or out of reach for a moment is not given up at once.

use crate::port::PortError;
use std::time::Duration;

/// How often a request is sent at most.
pub(crate) const ATTEMPTS_MAX: u32 = 4;
/// The longest wait between two attempts.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// Sends what is harmless to send twice, until it is answered or was sent often enough.
pub(crate) fn patiently<T>(mut send: impl FnMut() -> Result<T, PortError>) -> Result<T, PortError> {
    let mut attempt = 1;
    loop {
        let retry_after_s = match send() {
            Err(PortError::Refused(refusal)) if refusal.is_busy() && attempt < ATTEMPTS_MAX => {
                refusal.retry_after_s
            }
            Err(PortError::NoAnswer { .. } | PortError::Unknown { .. }) if attempt < ATTEMPTS_MAX => None,
            answer => return answer,
        };
        std::thread::sleep(wait(attempt, retry_after_s));
        attempt += 1;
    }
}

/// How long to wait after an attempt: as long as the port asked for, or longer each time.
fn wait(attempt: u32, retry_after_s: Option<u64>) -> Duration {
    let wait = retry_after_s.map_or(Duration::from_millis(200 << attempt.min(6)), Duration::from_secs);
    wait.min(WAIT_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::Refusal;
    use ureq::http::StatusCode;

    fn refusal(status: StatusCode) -> PortError {
        PortError::Refused(Refusal {
            status,
            slug: String::new(),
            title: String::new(),
            detail: String::new(),
            retry_after_s: Some(0),
        })
    }

    #[test]
    fn a_busy_port_is_asked_again_and_one_that_refuses_is_not() {
        let mut sent = 0;
        let answered = patiently(|| {
            sent += 1;
            if sent < 3 { Err(refusal(StatusCode::SERVICE_UNAVAILABLE)) } else { Ok(sent) }
        });
        assert_eq!(answered.unwrap(), 3);
        let mut sent = 0;
        let refused: Result<(), _> = patiently(|| {
            sent += 1;
            Err(refusal(StatusCode::CONFLICT))
        });
        assert!(refused.is_err());
        assert_eq!(sent, 1);
    }

    #[test]
    fn a_port_that_stays_busy_is_given_up() {
        let mut sent = 0;
        let refused: Result<(), _> = patiently(|| {
            sent += 1;
            Err(refusal(StatusCode::TOO_MANY_REQUESTS))
        });
        assert!(refused.is_err());
        assert_eq!(sent, ATTEMPTS_MAX);
    }

    #[test]
    fn waits_grow_and_are_bounded() {
        assert!(wait(1, None) < wait(2, None));
        assert_eq!(wait(1, Some(3)), Duration::from_secs(3));
        assert_eq!(wait(60, Some(600)), WAIT_MAX);
    }
}
