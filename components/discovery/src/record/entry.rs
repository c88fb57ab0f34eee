//! How a world is entered: with which programs, where one arrives, who may, and for what.

use super::about::{LABEL_LENGTH_MAX, TOKEN_LENGTH_MAX, check_age};
use super::check::{self, Checked, bad};
use super::texts::Texts;
use serde::{Deserialize, Serialize};
use vwp_core::name::AssetName;

/// The most clients.
pub const CLIENTS_MAX: usize = 16;
/// The most platforms of a client.
pub const PLATFORMS_MAX: usize = 16;
/// The most entry points.
pub const ENTRY_POINTS_MAX: usize = 32;
/// The most currencies.
pub const CURRENCIES_MAX: usize = 16;
/// The most issuers that are trusted, and the most claims that are asked for.
pub const PASSPORT_ITEMS_MAX: usize = 16;

/// A program to enter with.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// What people call it.
    pub name: String,
    /// What it runs on, such as `windows`, `quest` or `web`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub platforms: Vec<String>,
    /// Where it is to be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub download: Option<String>,
    /// The URI that opens the world in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launch: Option<String>,
}

impl Client {
    pub(super) fn check(&self) -> Checked {
        check::text("a client's name", &self.name, LABEL_LENGTH_MAX)?;
        let platform = |text: &String| check::token("a platform", text, TOKEN_LENGTH_MAX);
        check::list("a client's platforms", &self.platforms, PLATFORMS_MAX, platform)?;
        self.download.as_deref().map_or(Ok(()), |url| check::web_url("a client's download", url))?;
        self.launch.as_deref().map_or(Ok(()), |uri| check::uri("a client's launch", uri))
    }
}

/// A place in a world at which a traveller can arrive.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntryPoint {
    /// What programs call it.
    pub id: String,
    /// What people call it.
    pub title: Texts,
}

impl EntryPoint {
    pub(super) fn check(&mut self) -> Checked {
        check::token("an entry point's id", &self.id, TOKEN_LENGTH_MAX)?;
        self.title.check("an entry point's title", LABEL_LENGTH_MAX)
    }
}

/// Money in a world.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Economy {
    /// The assets that are taken, such as `gold@arena`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub currencies: Vec<String>,
    /// Whether what is paid is held in escrow until it is delivered.
    #[serde(default)]
    pub escrow: bool,
    /// Where the rules for refunds are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refund_policy: Option<String>,
}

impl Economy {
    pub(super) fn check(&self) -> Checked {
        let asset = |name: &String| match name.parse::<AssetName>() {
            Ok(_) => Ok(()),
            Err(error) => Err(bad(format!("a currency is not an asset: {}", error.0))),
        };
        check::list("an economy's currencies", &self.currencies, CURRENCIES_MAX, asset)?;
        self.refund_policy.as_deref().map_or(Ok(()), |url| check::web_url("a refund_policy", url))
    }
}

/// Who gets in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Admission {
    /// Everybody.
    #[default]
    Open,
    /// Whoever was invited.
    Invite,
    /// Whoever paid.
    Paid,
    /// Nobody else than those whom the operator knows already.
    Closed,
}

/// The rules of the door.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Access {
    /// Who gets in.
    pub admission: Admission,
    /// The age from which one gets in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_age: Option<u8>,
    /// Where one gets an invitation, or pays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

impl Access {
    pub(super) fn check(&self) -> Checked {
        self.minimum_age.map_or(Ok(()), |age| check_age("a minimum_age", age))?;
        self.url.as_deref().map_or(Ok(()), |url| check::web_url("the url of access", url))
    }
}

/// Which passports a world wants to see.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PassportPolicy {
    /// The ports whose passports are trusted, by their URLs; none named: that of the record.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub issuers: Vec<String>,
    /// The claims that must be shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<String>,
    /// The age that must be shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_age: Option<u8>,
    /// Whether one may enter without a passport.
    #[serde(default)]
    pub guests: bool,
}

impl PassportPolicy {
    pub(super) fn check(&self) -> Checked {
        let issuer = |url: &String| check::issuer("an issuer of passports", url);
        check::list("the issuers of passports", &self.issuers, PASSPORT_ITEMS_MAX, issuer)?;
        let claim = |name: &String| check::token("a claim", name, TOKEN_LENGTH_MAX);
        check::list("the claims of passports", &self.claims, PASSPORT_ITEMS_MAX, claim)?;
        self.minimum_age.map_or(Ok(()), |age| check_age("the minimum_age of passports", age))
    }
}
