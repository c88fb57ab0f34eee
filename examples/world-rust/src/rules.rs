//! Who may enter, who wins, and when the arena registers itself again.

use crate::settings::Settings;
use crate::statements::RECORD_TYPE;
use http::StatusCode;
use serde_json::{Map, Value};
use vwp_core::Problem;
use vwp_core::jose::Unverified;

/// How long before its end a record is replaced, in seconds.
const RENEW_BEFORE_S: u64 = 7 * 86_400;

/// What has become of a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It holds: the arena may take it.
    Open,
    /// The arena has taken it. Nobody else could.
    Taken,
    /// It was given up, or has expired.
    Gone,
}

/// Money that somebody holds for somebody.
#[derive(Debug, Clone)]
pub struct Hold {
    /// From which account.
    pub payer: String,
    /// For which account.
    pub payee: String,
    /// Of what.
    pub asset: String,
    /// How much, in minor units.
    pub amount: String,
    /// What has become of it.
    pub state: State,
}

/// Whether the arena has to register itself: it is not registered, its record ends soon, or says
/// something else than the settings. `registered` is the end of the registered record, in seconds since
/// 1970-01-01T00:00:00Z, and the record as it was signed. That is compared, because the port adds what a
/// record leaves out.
pub fn is_registration_due(settings: &Settings, registered: Option<(u64, &str)>, now_s: u64) -> bool {
    let Some((expires_at, signed)) = registered else { return true };
    let payload = Unverified::parse(signed, RECORD_TYPE).ok();
    let claims = payload.and_then(|token| serde_json::from_slice(token.unverified_payload()).ok());
    let claims: Map<String, Value> = claims.unwrap_or_default();
    let is_said = |(name, value): (&String, &Value)| claims.get(name) == Some(value);
    expires_at < now_s.saturating_add(RENEW_BEFORE_S) || !settings.record.iter().all(is_said)
}

/// Whether a hold is the entry fee, paid or to be paid.
pub fn admit(settings: &Settings, hold: &Hold) -> Result<(), Problem> {
    let fee = (settings.account(), settings.asset(), settings.fee.to_string());
    if (&hold.payee, &hold.asset, &hold.amount) != (&fee.0, &fee.1, &fee.2) {
        return Err(not_the_fee(format!("the fee is {} of {} for {}", fee.2, fee.1, fee.0)));
    }
    if !hold.payer.starts_with("traveller:") {
        return Err(not_the_fee("a traveller pays the fee"));
    }
    match hold.state {
        State::Open | State::Taken => Ok(()),
        State::Gone => Err(not_the_fee("the hold was given up, or has expired")),
    }
}

/// Whether who paid a hold is in, and may fight.
pub fn require_inside(settings: &Settings, hold: &Hold) -> Result<(), Problem> {
    admit(settings, hold)?;
    if hold.state == State::Taken { Ok(()) } else { Err(not_the_fee("enter first")) }
}

/// Says why a hold does not open the door.
pub fn not_the_fee(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "not-the-fee", "The hold is not the entry fee", detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::tests::{settings, with};
    use crate::statements::Statements;

    fn hold(state: State) -> Hold {
        Hold {
            payer: "traveller:ada".to_owned(),
            payee: "world:arena".to_owned(),
            asset: "coin@arena".to_owned(),
            amount: "250".to_owned(),
            state,
        }
    }

    #[test]
    fn the_fee_opens_the_door_and_only_who_is_in_fights() {
        let settings = settings();
        assert!(admit(&settings, &hold(State::Open)).is_ok());
        assert!(admit(&settings, &hold(State::Taken)).is_ok(), "who asks again is answered again");
        assert!(admit(&settings, &hold(State::Gone)).is_err());
        assert!(require_inside(&settings, &hold(State::Open)).is_err());
        assert!(require_inside(&settings, &hold(State::Taken)).is_ok());
    }

    #[test]
    fn another_amount_asset_or_account_is_not_the_fee() {
        let settings = settings();
        let fee = hold(State::Open);
        for other in [
            Hold { amount: "249".to_owned(), ..fee.clone() },
            Hold { asset: "gold@elsewhere".to_owned(), ..fee.clone() },
            Hold { payee: "world:elsewhere".to_owned(), ..fee.clone() },
            Hold { payer: "world:elsewhere".to_owned(), ..fee },
        ] {
            let refusal = admit(&settings, &other).expect_err("not the fee");
            assert_eq!((refusal.slug, refusal.status.as_u16()), ("not-the-fee", 422));
        }
    }

    #[test]
    fn the_arena_registers_itself_when_its_record_is_missing_ending_or_outdated() {
        let settings = settings();
        let (now_s, later) = (1_800_000_000, 1_800_000_000 + RENEW_BEFORE_S);
        let signed = Statements::new(&settings, now_s).record();
        assert!(is_registration_due(&settings, None, now_s));
        assert!(!is_registration_due(&settings, Some((later, &signed)), now_s));
        assert!(is_registration_due(&settings, Some((later - 1, &signed)), now_s));
        let other = with("world_record", r#"{"v":1,"name":"arena","title":{"en":"Another"}}"#);
        assert!(is_registration_due(&other.expect("settings"), Some((later, &signed)), now_s));
        assert!(is_registration_due(&settings, Some((later, "no record")), now_s));
    }
}
