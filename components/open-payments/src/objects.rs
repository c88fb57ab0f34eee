//! What wallets answer, and what of it this adapter reads: <https://openpayments.dev/apis/>.

use chrono::DateTime;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use vwp_core::currency::Currency;
use vwp_processor::Fault;

/// The member of `metadata` that has the key of the call that made something.
pub(crate) const KEY: &str = "vwp";
/// The member of `metadata` that has the key of the call that something was made as a claim for.
pub(crate) const CLAIM: &str = "vwp-claim";

/// Money of some asset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Amount {
    value: String,
    asset_code: String,
    asset_scale: u8,
}

impl Amount {
    /// Minor units of its asset.
    pub(crate) fn minor(&self) -> Result<u64, Fault> {
        self.value.parse().map_err(|_| Fault::Unknown("an amount is none".to_owned()))
    }

    /// Whether it is at least as much of the same asset.
    pub(crate) fn covers(&self, other: &Self) -> Result<bool, Fault> {
        let is_same = self.asset_code == other.asset_code && self.asset_scale == other.asset_scale;
        Ok(is_same && self.minor()? >= other.minor()?)
    }
}

/// A wallet address.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Wallet {
    pub(crate) id: String,
    asset_code: String,
    asset_scale: u8,
    pub(crate) auth_server: String,
    pub(crate) resource_server: String,
}

impl Wallet {
    /// So much of the wallet's asset, which has to be the currency, counted in the same minor units.
    pub(crate) fn amount(&self, minor: u64, currency: &str) -> Result<Amount, Fault> {
        let scale = currency.parse().ok().and_then(Currency::scale);
        if self.asset_code != currency || scale != Some(self.asset_scale) {
            return Err(Fault::Refused("unsupported_currency".to_owned()));
        }
        let (asset_code, asset_scale) = (self.asset_code.clone(), self.asset_scale);
        Ok(Amount { value: minor.to_string(), asset_code, asset_scale })
    }

    /// Where its things of a kind are.
    pub(crate) fn collection(&self, kind: &str) -> String {
        format!("{}/{kind}", self.resource_server.trim_end_matches('/'))
    }
}

/// The answer to a grant request (GNAP, RFC 9635, section 3). Without a token the wallet wants a person's consent.
#[derive(Deserialize)]
pub(crate) struct Grant {
    pub(crate) access_token: Option<Token>,
}

#[derive(Deserialize)]
pub(crate) struct Token {
    pub(crate) value: String,
}

/// What can be found in a list again.
pub(crate) trait Listed {
    fn metadata(&self) -> Option<&Value>;

    /// When it was made, in seconds since the Unix epoch.
    fn created_at(&self) -> Result<i64, Fault>;

    /// What a member of the metadata says.
    fn says(&self, member: &str) -> Option<&str> {
        self.metadata()?.get(member)?.as_str()
    }
}

/// A payment into a wallet.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Incoming {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) completed: bool,
    #[serde(rename = "incomingAmount")]
    pub(crate) wanted: Option<Amount>,
    pub(crate) received_amount: Amount,
    expires_at: Option<String>,
    metadata: Option<Value>,
    created_at: String,
}

impl Listed for Incoming {
    fn metadata(&self) -> Option<&Value> {
        self.metadata.as_ref()
    }

    fn created_at(&self) -> Result<i64, Fault> {
        seconds(&self.created_at)
    }
}

impl Incoming {
    /// Until when it can be paid, in seconds since the Unix epoch.
    pub(crate) fn expires_at(&self) -> Result<Option<i64>, Fault> {
        self.expires_at.as_deref().map(seconds).transpose()
    }
}

/// What anybody may know of a payment into a wallet.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PublicIncoming {
    pub(crate) received_amount: Option<Amount>,
}

/// What a payment out of a wallet costs.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Quote {
    pub(crate) id: String,
    pub(crate) debit_amount: Amount,
}

/// A payment out of a wallet.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Outgoing {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) failed: bool,
    pub(crate) receiver: String,
    pub(crate) receive_amount: Amount,
    pub(crate) debit_amount: Amount,
    pub(crate) sent_amount: Amount,
    metadata: Option<Value>,
    created_at: String,
}

impl Listed for Outgoing {
    fn metadata(&self) -> Option<&Value> {
        self.metadata.as_ref()
    }

    fn created_at(&self) -> Result<i64, Fault> {
        seconds(&self.created_at)
    }
}

/// A page of a list.
#[derive(Debug, Deserialize)]
pub(crate) struct Page<T> {
    pagination: PageInfo,
    #[serde(default = "Vec::new")]
    pub(crate) result: Vec<T>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageInfo {
    end_cursor: Option<String>,
    has_next_page: bool,
}

impl<T> Page<T> {
    /// Where the next page starts, if there is one.
    pub(crate) fn next(&self) -> Option<String> {
        self.pagination.end_cursor.clone().filter(|_| self.pagination.has_next_page)
    }
}

/// A time of RFC 3339.
fn seconds(text: &str) -> Result<i64, Fault> {
    let time = DateTime::parse_from_rfc3339(text).map_err(|_| Fault::Unknown("a time is none".to_owned()))?;
    Ok(time.timestamp())
}
