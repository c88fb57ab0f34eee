//! Sources: who sends statements of which account, the ledger account that mirrors it, and how the
//! two are compared.

use crate::Error;
use crate::formats::Wanted;
use crate::formats::table::Mapping;
use crate::store::{self, Keys};
use crate::text::{Charset, REFERENCE_LENGTH_MAX};
use serde::{Deserialize, Serialize};
use vwp_core::Environment;
use vwp_core::currency::Currency;
use vwp_storage::Kv;
use vwp_storage::kv::{Check, KeyRange, Outcome, Write};

/// The longest name of a source.
pub const NAME_LENGTH_MAX: usize = 48;
/// The longest window of days.
pub const WINDOW_DAYS_MAX: u16 = 90;
/// The most lines or entries of one match that is found by adding up.
pub const MEMBERS_MAX: u8 = 12;
/// The most decimal places of a minor unit.
const SCALE_MAX: u8 = 18;

/// What kind of source it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A bank.
    Bank,
    /// A payment processor.
    Processor,
}

/// The account in the ledger that mirrors the source's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Whose it is, as the ledger writes it.
    pub owner: String,
    /// The asset, as the ledger writes it.
    pub asset: String,
}

/// How the two sides are compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// How far amounts may be apart, in minor units. A match with a difference has to be explained.
    pub tolerance: u64,
    /// How many days apart the two sides of a match may be. What is older and has no match is
    /// missing on the other side.
    pub window_days: u16,
    /// The same where both sides have the same reference.
    pub reference_window_days: u16,
    /// How similar texts must be to match with amount and day: common words in a thousand.
    pub similarity_min: u32,
    /// Whether amount and day suffice where only one pair has them.
    pub unreferenced: bool,
    /// How many lines or entries may be added up to make one of the other side; 0 or 1: none.
    pub members_max: u8,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            tolerance: 0,
            window_days: 3,
            reference_window_days: 30,
            similarity_min: 300,
            unreferenced: false,
            members_max: MEMBERS_MAX,
        }
    }
}

/// What a source is put as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// What kind it is.
    pub kind: Kind,
    /// What people call it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// The currency of its statements: a code of ISO 4217, or an asset code such as USDC.
    pub currency: String,
    /// The account in the ledger.
    pub account: Account,
    /// Whether what reaches the source's account leaves the ledger's: so it is with an issuance
    /// account, which is debited when money arrives for which tokens are issued.
    #[serde(default)]
    pub inverted: bool,
    /// The account as statements write it, such as an IBAN; statements of others are left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement_account: Option<String>,
    /// How the two sides are compared.
    #[serde(default)]
    pub rules: Rules,
    /// How its MT940 is encoded.
    #[serde(default)]
    pub mt940_charset: Charset,
    /// How its tables are read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csv: Option<Mapping>,
}

/// A source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// How many decimal places a minor unit stands for: the ledger's asset says it.
    pub scale: u8,
    /// How often it was put.
    pub version: u64,
    /// When it was put last, in milliseconds since the Unix epoch.
    pub updated_at: u64,
    /// Who put it last.
    pub updated_by: String,
    /// What it was put as.
    #[serde(flatten)]
    pub definition: Definition,
}

impl Source {
    /// What is wanted of its files.
    pub fn wanted(&self) -> Wanted<'_> {
        Wanted {
            account: self.definition.statement_account.as_deref(),
            currency: &self.definition.currency,
            scale: self.scale,
        }
    }

    /// How its two sides are compared.
    pub fn rules(&self) -> &Rules {
        &self.definition.rules
    }
}

impl Definition {
    /// Requires that the definition makes sense with an asset whose minor unit stands for `scale`
    /// decimal places.
    pub fn check(&self, scale: u8) -> Result<(), Error> {
        let invalid = |text: &str| Err(Error::Invalid(text.to_owned()));
        let is_code = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
        if !(3..=16).contains(&self.currency.len()) || !self.currency.bytes().all(is_code) {
            return invalid("currency is 3 to 16 capital letters and digits");
        }
        let listed: Option<Currency> = self.currency.parse().ok();
        if listed.and_then(Currency::scale).is_some_and(|exact| exact > scale) || scale > SCALE_MAX {
            return invalid(
                "the asset has fewer decimal places than the currency: minor units would be lost",
            );
        }
        let is_bounded =
            |text: &str, length_max: usize| text.len() <= length_max && !text.chars().any(char::is_control);
        if !is_bounded(&self.title, 100) {
            return invalid("title has at most 100 bytes, none of them control characters");
        }
        let account = self.statement_account.as_deref().unwrap_or("-");
        if account.is_empty() || !is_bounded(account, REFERENCE_LENGTH_MAX) {
            return invalid("statement_account has 1 to 128 bytes, none of them control characters");
        }
        let rules = &self.rules;
        if rules.window_days > WINDOW_DAYS_MAX || rules.reference_window_days > WINDOW_DAYS_MAX {
            return invalid("a window has at most 90 days");
        }
        if !(1..=1000).contains(&rules.similarity_min) || rules.members_max > MEMBERS_MAX {
            return invalid("similarity_min is 1 to 1000, and members_max at most 12");
        }
        self.csv.as_ref().map_or(Ok(()), Mapping::check)
    }
}

/// Requires that a text may be a source's name.
pub fn require_name(name: &str) -> Result<(), Error> {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if (1..=NAME_LENGTH_MAX).contains(&name.len()) && name.bytes().all(is_allowed) {
        return Ok(());
    }
    Err(Error::Invalid("a source's name has 1 to 48 characters of a-z, 0-9 and hyphens".to_owned()))
}

/// Reads a source.
pub async fn get(kv: &impl Kv, name: &str) -> Result<Source, Error> {
    require_name(name)?;
    let found = store::read(kv, &Keys::new(name).source()).await?;
    found.map(|(source, _)| source).ok_or_else(|| Error::UnknownSource(name.to_owned()))
}

/// Lists sources by name, from the one after `after` on; whether there are more.
pub async fn list(kv: &impl Kv, after: &str, limit: u32) -> Result<(Vec<Source>, bool), Error> {
    if !after.is_empty() {
        require_name(after)?;
    }
    let all = KeyRange::prefix(store::SOURCES);
    let start = if after.is_empty() { all.start } else { [store::SOURCES, after.as_bytes(), b"\0"].concat() };
    store::page(kv, KeyRange { start, end: all.end }, limit).await
}

/// Puts a source; `replaces`, where given, must be its version. Says whether it is new.
pub async fn put(
    kv: &impl Kv,
    environment: &Environment<'_>,
    by: &str,
    name: &str,
    (definition, scale): (Definition, u8),
    replaces: Option<u64>,
) -> Result<(Source, bool), Error> {
    require_name(name)?;
    definition.check(scale)?;
    let keys = Keys::new(name);
    let seen = kv.get(&keys.source()).await?;
    let before: Option<Source> = seen.as_ref().map(|entry| store::decode(&entry.value)).transpose()?;
    let current = before.as_ref().map_or(0, |source| source.version);
    if replaces.is_some_and(|replaced| replaced != current) {
        return Err(Error::Replaced { current });
    }
    let mut checks = vec![Check::unchanged(keys.source(), seen.as_ref())];
    if let Some(before) = before.as_ref().filter(|before| !is_comparable(before, &definition, scale)) {
        // Whoever reads the ledger or imports a statement writes the cursor or a statement first.
        let first = store::page::<serde_json::Value>(kv, keys.statements(), 1).await?;
        if kv.get(&keys.cursor()).await?.is_some() || !first.0.is_empty() {
            return Err(Error::SourceInUse);
        }
        checks.push(Check::absent(Keys::new(&before.name).cursor()));
    }
    let source = Source {
        name: name.to_owned(),
        scale,
        version: current + 1,
        updated_at: environment.now,
        updated_by: by.to_owned(),
        definition,
    };
    let write = Write::put(keys.source(), store::encode(&source)?);
    match kv.commit(&checks, &[write]).await? {
        Outcome::Committed(_) => Ok((source, before.is_none())),
        _ => Err(Error::Busy),
    }
}

/// Whether what was compared stays comparable.
fn is_comparable(before: &Source, definition: &Definition, scale: u8) -> bool {
    let old = &before.definition;
    old.account == definition.account
        && old.currency == definition.currency
        && old.inverted == definition.inverted
        && before.scale == scale
}
