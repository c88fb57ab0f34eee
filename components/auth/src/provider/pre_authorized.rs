//! The grant of a credential offer (OpenID4VCI 1.0, section 6.1): a wallet redeems the code of the
//! offer together with the transaction code that the traveller typed.

use super::clients::Client;
use super::consents;
use super::error::OauthError;
use super::grants;
use super::params::Params;
use super::tokens::Tokens;
use crate::audit::{self, Event, Kind};
use crate::openid4vci::details::Details;
use crate::openid4vci::offers::{self, FAILURES_MAX, Offer};
use vwp_core::Environment;
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Entry, Outcome, Write};

/// How often a redemption is tried when others try the same code.
const TRIES_MAX: usize = 8;
/// The longest transaction code that is looked at, in bytes.
const TX_CODE_LENGTH_MAX: usize = 64;

/// Redeems a code. It is used up in the commit that opens the grant, and a wrong transaction code is
/// counted before anybody hears that it was wrong, so that guesses that are sent at once count too.
pub(crate) async fn redeem(
    kv: &impl Kv,
    client: &Client,
    params: &Params,
    jkt: Option<String>,
    environment: &Environment<'_>,
) -> Result<Tokens, OauthError> {
    let refused = OauthError::Grant("the code is not good, was used, or has ended");
    let code = params.need("pre-authorized_code", "pre-authorized_code is missing")?;
    // Section 6.3: who sends none made no guess.
    let tx_code = params.need("tx_code", "tx_code is missing: the offer asks for one")?;
    if tx_code.len() > TX_CODE_LENGTH_MAX {
        return Err(OauthError::Request("tx_code is too long"));
    }
    let asked = params.get("authorization_details").map(Details::parse).transpose()?;
    for _ in 0..TRIES_MAX {
        let (offer, entry) = Offer::find(kv, code, environment).await?.ok_or(refused.clone())?;
        if !offer.is_right(code, tx_code) {
            if count_failure(kv, code, (offer, &entry), environment).await? {
                return Err(OauthError::Grant("the transaction code is not the one of this offer"));
            }
            continue;
        }
        // Not before: which world the offer is for is not for whoever merely saw it.
        let access = offer.access(asked.clone())?;
        let mut granted = grants::open(kv, client, access, None, jkt.clone(), environment).await?;
        let mut writes = std::mem::take(&mut granted.writes);
        writes.push(Write::delete(offers::key(code)));
        let event = consents::event(Kind::ConsentGiven, &offer.traveller, &client.client_id);
        let check = Check::unchanged(offers::key(code), Some(&entry));
        if let Outcome::Committed(_) = audit::commit(kv, &event, &[check], &writes, environment).await? {
            return Ok(granted.tokens);
        }
        // Somebody else used it or guessed at the same time: the next round looks again.
    }
    Err(refused)
}

/// Counts a wrong transaction code; the last one that is borne ends the offer, and the traveller can
/// read of it. False if the offer changed meanwhile.
async fn count_failure(
    kv: &impl Kv,
    code: &str,
    (mut offer, entry): (Offer, &Entry),
    environment: &Environment<'_>,
) -> Result<bool, OauthError> {
    let check = Check::unchanged(offers::key(code), Some(entry));
    offer.failures = offer.failures.saturating_add(1);
    let outcome = if offer.failures < FAILURES_MAX {
        kv.commit(&[check], &[offer.put(code)?]).await?
    } else {
        let event = Event::traveller(Kind::SignInFailed, &offer.traveller).with("method", "offer");
        audit::commit(kv, &event, &[check], &[Write::delete(offers::key(code))], environment).await?
    };
    Ok(matches!(outcome, Outcome::Committed(_)))
}
