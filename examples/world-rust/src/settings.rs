//! What somebody who runs the arena says about it: the variables of its component.

use crate::statements::OperatorKey;
use serde_json::{Map, Value};

/// The names of the settings.
pub const NAMES: [&str; 5] = ["issuer", "operator_key", "world_record", "entry_fee", "prize"];

/// What the arena's coins are called before the world's name: `coin@arena`.
const CODE: &str = "coin";

/// The settings.
#[derive(Debug)]
pub struct Settings {
    /// The port's URL: whom statements are for, and whose passports are believed.
    pub issuer: String,
    /// The key of the world's operator.
    pub key: OperatorKey,
    /// The world's record, without its number and its times (docs/protocol/discovery.md, section 2).
    pub record: Map<String, Value>,
    /// The world's name.
    pub world: String,
    /// What entering costs, in minor units.
    pub fee: u128,
    /// What a winner gets, in minor units.
    pub prize: u128,
}

impl Settings {
    /// Reads the settings by name; the error says which one is missing or malformed, and never what it
    /// holds.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let text = |name: &str| {
            get(name).filter(|value| !value.is_empty()).ok_or_else(|| format!("`{name}` is not set"))
        };
        let amount = |name: &str| {
            let amount = text(name)?.parse().ok().filter(|amount| *amount > 0);
            amount.ok_or_else(|| format!("`{name}` is no amount of minor units"))
        };
        let key = OperatorKey::from_jwk(&text("operator_key")?);
        let record: Option<Map<String, Value>> = serde_json::from_str(&text("world_record")?).ok();
        let record = record.ok_or("`world_record` is no JSON object")?;
        let name = record.get("name").and_then(Value::as_str);
        let world = name.ok_or("`world_record` has no name")?.to_owned();
        Ok(Self {
            issuer: text("issuer")?,
            key: key.ok_or("`operator_key` is no private P-256 key as a JWK")?,
            record,
            world,
            fee: amount("entry_fee")?,
            prize: amount("prize")?,
        })
    }

    /// The account of the arena.
    pub fn account(&self) -> String {
        format!("world:{}", self.world)
    }

    /// The asset that fees and prizes are paid in.
    pub fn asset(&self) -> String {
        format!("{CODE}@{}", self.world)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The key of RFC 7517, appendix A.2.
    pub(crate) const KEY: &str = r#"{"kty":"EC","crv":"P-256",
        "x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
        "d":"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE"}"#;

    /// Complete settings, but for what is changed.
    pub(crate) fn with(name: &str, value: &str) -> Result<Settings, String> {
        Settings::read(|asked| {
            let usual = match asked {
                "issuer" => "https://port.example",
                "operator_key" => KEY,
                "world_record" => r#"{"v":1,"name":"arena","title":{"en":"Arena"}}"#,
                "entry_fee" => "250",
                "prize" => "400",
                _ => return None,
            };
            Some(if asked == name { value } else { usual }.to_owned())
        })
    }

    pub(crate) fn settings() -> Settings {
        with("nothing", "").expect("complete settings")
    }

    #[test]
    fn the_worlds_name_is_that_of_its_record() {
        let settings = settings();
        assert_eq!((settings.account().as_str(), settings.asset().as_str()), ("world:arena", "coin@arena"));
    }

    #[test]
    fn a_setting_that_is_missing_or_malformed_is_named_and_not_shown() {
        for (name, value, expected) in [
            ("issuer", "", "`issuer` is not set"),
            ("operator_key", "secret", "`operator_key` is no private P-256 key as a JWK"),
            ("world_record", "[]", "`world_record` is no JSON object"),
            ("world_record", "{}", "`world_record` has no name"),
            ("entry_fee", "-1", "`entry_fee` is no amount of minor units"),
            ("prize", "0", "`prize` is no amount of minor units"),
        ] {
            assert_eq!(with(name, value).err().as_deref(), Some(expected));
        }
    }
}
