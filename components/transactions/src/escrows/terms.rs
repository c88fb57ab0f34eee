//! What the parties of an escrow agree on.

use crate::Error;
use crate::amount::Amount;
use crate::orders::{self, Party, TIMEOUT_S_MAX};
use crate::reference::{Owner, account_id, asset_name, id_text, require_same_asset};
use base64ct::{Base64UrlUnpadded, Encoding};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use vwp_core::Problem;
use vwp_core::jose::Jwk;
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Write};

/// The most milestones.
pub const MILESTONES_MAX: usize = 32;
/// The most approvers.
pub const APPROVERS_MAX: usize = 16;
/// The longest key that comes as text, in bytes.
pub const KEY_LENGTH_MAX: usize = 1024;
/// The longest memo, in bytes.
pub const MEMO_LENGTH_MAX: usize = 256;

/// Who approves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Approver {
    /// A traveller, or the operator of a world: `traveller:<id>`, `world:<name>`.
    Owner(String),
    /// Who has the private half of this P-256 key.
    Key(Jwk),
}

impl Approver {
    /// Who has the private half of a key that comes as text.
    pub fn with_key(jwk: &str) -> Result<Self, Error> {
        let invalid =
            || Error::Invalid(format!("an approver's key is a JWK of at most {KEY_LENGTH_MAX} bytes"));
        if jwk.len() > KEY_LENGTH_MAX {
            return Err(invalid());
        }
        serde_json::from_str(jwk).map(Self::Key).map_err(|_| invalid())
    }
}

/// What is agreed on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Terms {
    /// What makes a repeat harmless: 1 to 128 visible ASCII characters. Only in a request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// Who pays; in a request a traveller's own account if it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payer: Option<String>,
    /// Who is paid.
    pub payee: String,
    /// `code@world`.
    pub asset: String,
    /// How much each milestone is worth, in minor units: 1 to 32 of them.
    pub milestones: Vec<Amount>,
    /// After how many seconds what is left goes back to the payer.
    pub timeout_s: u32,
    /// Who decides in a dispute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arbiter: Option<String>,
    /// Who together release a milestone, and decide in a dispute.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub approvers: Vec<Approver>,
    /// How many of the approvers have to agree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approvals: Option<u8>,
    /// The SHA-256 of 32 bytes, in base64url: with those the payee takes what is left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// What it is for, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memo: Option<String>,
}

/// The accounts that an escrow's money is on.
#[derive(Debug)]
pub(crate) struct Accounts {
    pub(crate) payer: Party,
    pub(crate) payee: Party,
    /// Where it waits.
    pub(crate) held: Party,
    /// Where it waits while it is disputed.
    pub(crate) disputed: Party,
}

impl Accounts {
    pub(crate) fn of(id: u128, terms: &Terms) -> Result<Self, Error> {
        let asset = asset_name(&terms.asset)?;
        let party = |owner: Owner| {
            require_same_asset(&owner, &asset)?;
            let id = account_id(&owner, &asset);
            Ok::<_, Error>(Party { owner, asset: asset.clone(), id })
        };
        let person = |text: &str| match text.parse()? {
            owner @ (Owner::Traveller(_) | Owner::World(_)) => party(owner),
            _ => Err(Error::Invalid("payer and payee are travellers or worlds".to_owned())),
        };
        Ok(Self {
            payer: person(terms.payer.as_deref().unwrap_or_default())?,
            payee: person(&terms.payee)?,
            held: party(Owner::Escrow { id, is_disputed: false })?,
            disputed: party(Owner::Escrow { id, is_disputed: true })?,
        })
    }
}

impl Terms {
    /// How much all milestones are worth.
    pub(crate) fn total(&self) -> Result<u128, Error> {
        let sum = |sum: u128, amount: &Amount| sum.checked_add(amount.0);
        self.milestones.iter().try_fold(0, sum).ok_or(Error::Overflow)
    }

    /// Requires that the terms are within their bounds. Who they name is not looked up here.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let invalid = |text: String| Err(Error::Invalid(text));
        if !(1..=MILESTONES_MAX).contains(&self.milestones.len()) {
            return invalid(format!("an escrow has 1 to {MILESTONES_MAX} milestones"));
        }
        if self.milestones.contains(&Amount(0)) {
            return Err(Error::ZeroAmount);
        }
        self.total()?;
        if !(1..=TIMEOUT_S_MAX).contains(&self.timeout_s) {
            return invalid(format!("timeout_s is 1 to {TIMEOUT_S_MAX}"));
        }
        if self.payer.as_deref() == Some(&self.payee) {
            return Err(Error::SameAccount);
        }
        if let Some(condition) = &self.condition {
            orders::lock_bytes(condition)?;
        }
        let fits = |memo: &String| (1..=MEMO_LENGTH_MAX).contains(&memo.len());
        if self.memo.as_ref().is_some_and(|memo| !fits(memo) || memo.chars().any(char::is_control)) {
            return invalid(format!("a memo has 1 to {MEMO_LENGTH_MAX} bytes, none of them control"));
        }
        self.check_judges()
    }

    fn check_judges(&self) -> Result<(), Error> {
        let invalid = |text: String| Err(Error::Invalid(text));
        if self.arbiter.is_some() && !self.approvers.is_empty() {
            return invalid("an escrow has an arbiter, or approvers, or neither".to_owned());
        }
        if self.approvers.len() > APPROVERS_MAX {
            return invalid(format!("an escrow has at most {APPROVERS_MAX} approvers"));
        }
        let wanted = usize::from(self.approvals.unwrap_or_default());
        if wanted > self.approvers.len() || (wanted == 0) != self.approvers.is_empty() {
            return invalid(
                "approvals says how many of the approvers have to agree, one at least".to_owned(),
            );
        }
        let mut known = BTreeSet::from([self.payee.clone()]);
        known.extend(self.payer.clone());
        let keys = self.approvers.iter().map(|approver| match approver {
            Approver::Owner(owner) => require_person(owner),
            Approver::Key(key) => {
                key.to_key().map_err(|_| Error::Invalid("an approver's key is no P-256 key".to_owned()))?;
                Ok(key.thumbprint())
            }
        });
        for judge in self.arbiter.iter().map(|arbiter| require_person(arbiter)).chain(keys) {
            if !known.insert(judge?) {
                return invalid("who decides is somebody else than the parties, and named once".to_owned());
            }
        }
        Ok(())
    }

    /// Who decides what is disputed, and how many of them have to agree.
    pub(crate) fn judges(&self) -> (Vec<Approver>, usize) {
        match &self.arbiter {
            Some(arbiter) => (vec![Approver::Owner(arbiter.clone())], 1),
            None => (self.approvers.clone(), usize::from(self.approvals.unwrap_or_default())),
        }
    }

    /// Everybody but the payer whom the terms name as an owner.
    pub(crate) fn others(&self) -> impl Iterator<Item = &str> {
        let owners = self.approvers.iter().filter_map(|approver| match approver {
            Approver::Owner(owner) => Some(owner.as_str()),
            Approver::Key(_) => None,
        });
        [self.payee.as_str()].into_iter().chain(self.arbiter.as_deref()).chain(owners)
    }

    /// Requires the bytes that the condition asks for.
    pub(crate) fn require_preimage(&self, preimage: Option<&str>) -> Result<(), Error> {
        let (Some(condition), Some(preimage)) = (&self.condition, preimage) else {
            return Err(Error::WrongPreimage);
        };
        let digest = Sha256::digest(orders::lock_bytes(preimage)?);
        if Base64UrlUnpadded::encode_string(&digest) == *condition {
            Ok(())
        } else {
            Err(Error::WrongPreimage)
        }
    }
}

fn require_person(owner: &str) -> Result<String, Error> {
    match owner.parse()? {
        Owner::Traveller(_) | Owner::World(_) => Ok(owner.to_owned()),
        _ => Err(Error::Invalid("who decides is a traveller, a world or a key".to_owned())),
    }
}

fn terms_key(id: u128) -> Vec<u8> {
    format!("transactions/escrow/{}", id_text(id)).into_bytes()
}

/// The terms of an escrow, if there is one.
pub(crate) async fn stored(store: &impl Kv, id: u128) -> Result<Option<Terms>, Error> {
    let Some(entry) = store.get(&terms_key(id)).await? else { return Ok(None) };
    Ok(Some(serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?))
}

/// Keeps the terms, unless others are kept under this id already.
pub(crate) async fn keep(store: &impl Kv, id: u128, terms: &Terms) -> Result<(), Error> {
    let value = serde_json::to_vec(terms).map_err(|_| Problem::internal())?;
    // Whether this commit or another wrote them, what is there now decides.
    store.commit(&[Check::absent(terms_key(id))], &[Write::put(terms_key(id), value)]).await?;
    match stored(store, id).await? {
        Some(kept) if kept == *terms => Ok(()),
        Some(_) => Err(Error::IdempotencyKeyReused),
        None => Err(Problem::unavailable("the terms could not be kept").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms() -> Terms {
        Terms {
            payer: Some("traveller:ada".into()),
            payee: "world:arena".into(),
            asset: "gold@arena".into(),
            milestones: vec![Amount(1), Amount(2)],
            timeout_s: 60,
            ..Terms::default()
        }
    }

    #[test]
    fn terms_are_bounded_and_name_everybody_once() {
        assert_eq!(terms().check(), Ok(()));
        let owner = |owner: &str| Approver::Owner(owner.to_owned());
        let refused: [fn(&mut Terms); 10] = [
            |terms| terms.milestones = vec![],
            |terms| terms.milestones = vec![Amount(1); MILESTONES_MAX + 1],
            |terms| terms.milestones = vec![Amount(0)],
            |terms| terms.milestones = vec![Amount(u128::MAX), Amount(1)],
            |terms| terms.timeout_s = 0,
            |terms| terms.payee = "traveller:ada".into(),
            |terms| terms.arbiter = Some("world:arena".into()),
            |terms| terms.arbiter = Some("issuance:gold@arena".into()),
            |terms| terms.condition = Some("AAAA".into()),
            |terms| terms.memo = Some("a\nb".into()),
        ];
        for (number, change) in refused.into_iter().enumerate() {
            let mut terms = terms();
            change(&mut terms);
            assert!(terms.check().is_err(), "{number}");
        }
        let with = |approvers: Vec<Approver>, approvals: Option<u8>| {
            Terms { approvers, approvals, ..terms() }.check().is_ok()
        };
        assert!(with(vec![owner("world:a"), owner("traveller:b")], Some(2)));
        assert!(!with(vec![owner("world:a"), owner("world:a")], Some(1)));
        assert!(!with(vec![owner("world:a")], Some(2)));
        assert!(!with(vec![owner("world:a")], None));
        assert!(!with(vec![], Some(1)));
    }

    #[test]
    fn a_key_that_comes_as_text_is_a_short_jwk() {
        let jwk = r#"{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "use": "sig"}"#;
        assert!(matches!(Approver::with_key(jwk), Ok(Approver::Key(key)) if key.x == "AA"));
        let long = format!("{jwk}{}", " ".repeat(KEY_LENGTH_MAX));
        for refused in ["", "{}", "\"AA\"", &long] {
            assert!(Approver::with_key(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn a_preimage_is_the_one_that_the_condition_is_of() {
        let text = |bytes: &[u8]| Base64UrlUnpadded::encode_string(bytes);
        let terms = Terms { condition: Some(text(&Sha256::digest([7; 32]))), ..terms() };
        assert_eq!(terms.require_preimage(Some(&text(&[7; 32]))), Ok(()));
        assert_eq!(terms.require_preimage(Some(&text(&[8; 32]))), Err(Error::WrongPreimage));
        assert_eq!(terms.require_preimage(None), Err(Error::WrongPreimage));
        assert!(super::tests::terms().require_preimage(Some(&text(&[7; 32]))).is_err());
    }
}
