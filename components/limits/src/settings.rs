//! The rules, and which of them a request is charged to.

use crate::bucket::Limit;
use crate::client;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use vwp_core::jose;
use vwp_middleware::fields::{Fields, value};
use vwp_storage::kv::Key;

/// The setting with the rules: a JSON list.
pub const RULES: &str = "limits_rules";
/// The setting with the number of proxies in front of the host.
pub const TRUSTED_PROXIES: &str = "limits_trusted_proxies";
/// The space of the store that buckets are in.
pub const SPACE: &str = "limits";

/// The most rules.
const RULES_MAX: usize = 64;
/// The longest name of a rule, in bytes.
const NAME_LENGTH_MAX: usize = 64;
/// The largest quota.
const QUOTA_MAX: u32 = 1_000_000;
/// The longest window, in seconds: a day.
const WINDOW_S_MAX: u32 = 86_400;

/// All settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    rules: Vec<Rule>,
    proxies: usize,
}

/// How often somebody may ask for something.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What answers call it: letters, digits and `-`.
    pub name: String,
    /// How the paths begin that it is about.
    #[serde(default = "everything")]
    pub prefix: String,
    /// The methods that it is about; none means all.
    #[serde(default)]
    pub methods: Vec<String>,
    /// Whose requests are counted together.
    pub per: Class,
    /// How many requests there may be at once.
    pub quota: u32,
    /// How long all of them take to come back, in seconds.
    pub window: u32,
}

/// Whose requests are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Those from one network.
    Network,
    /// Those with the same credentials. What claims to be in them is not looked at: whoever can write the
    /// name of another into a token could use up what is theirs.
    Credentials,
    /// Everybody's.
    All,
}

/// A rule that a request is charged to, and the key of whoever is charged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// What answers call the rule.
    pub rule: String,
    /// How often it may be charged.
    pub limit: Limit,
    /// Where the bucket is.
    pub key: Key,
}

fn everything() -> String {
    "/".to_owned()
}

impl Settings {
    /// Reads the settings by name; the error says which one is missing or malformed, and how.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let rules = get(RULES).ok_or_else(|| format!("`{RULES}` is not set"))?;
        let rules = self::rules(&rules).map_err(|fault| format!("`{RULES}`: {fault}"))?;
        let proxies = get(TRUSTED_PROXIES).unwrap_or_else(|| "0".to_owned()).parse();
        let proxies = proxies.map_err(|_| format!("`{TRUSTED_PROXIES}` is no number"))?;
        Ok(Self { rules, proxies })
    }

    /// What a request is charged to.
    pub fn charges(&self, method: &str, target: &str, request: &Fields) -> Vec<Charge> {
        let path = target.split('?').next().unwrap_or_default();
        let about = self.rules.iter().filter(|rule| rule.is_about(method, path));
        about.filter_map(|rule| rule.charge(request, self.proxies)).collect()
    }
}

impl Rule {
    fn is_about(&self, method: &str, path: &str) -> bool {
        let is_method = self.methods.is_empty() || self.methods.iter().any(|known| known == method);
        is_method && path.starts_with(&self.prefix)
    }

    /// The charge of a request that the rule is about; none if it names nobody of the class.
    fn charge(&self, request: &Fields, proxies: usize) -> Option<Charge> {
        let subject = match self.per {
            Class::All => Vec::new(),
            Class::Network => client::network(request, proxies)?.into_bytes(),
            Class::Credentials => value(request, "authorization")?.to_vec(),
        };
        // Credentials are secrets, and either may be long.
        let subject = jose::encode(&Sha256::digest(subject)[..16]);
        let key = format!("{SPACE}/{}/{subject}", self.name).into_bytes();
        let limit = Limit { quota: self.quota, window_s: self.window };
        Some(Charge { rule: self.name.clone(), limit, key })
    }

    /// What is wrong with it.
    fn fault(&self) -> Option<&'static str> {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let is_named = (1..=NAME_LENGTH_MAX).contains(&self.name.len()) && self.name.bytes().all(is_word);
        let faults = [
            (!is_named, "a name is 1 to 64 letters, digits and `-`"),
            (!self.prefix.starts_with('/'), "a path begins with `/`"),
            (!(1..=QUOTA_MAX).contains(&self.quota), "a quota is 1 to 1000000"),
            (!(1..=WINDOW_S_MAX).contains(&self.window), "a window is 1 to 86400 seconds"),
        ];
        faults.into_iter().find_map(|(is_so, fault)| is_so.then_some(fault))
    }
}

fn rules(text: &str) -> Result<Vec<Rule>, String> {
    let mut rules: Vec<Rule> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if rules.len() > RULES_MAX {
        return Err(format!("at most {RULES_MAX} rules"));
    }
    for rule in &rules {
        if let Some(fault) = rule.fault() {
            return Err(format!("{}: {fault}", rule.name));
        }
    }
    rules.sort_by(|one, other| one.name.cmp(&other.name));
    if let Some(pair) = rules.windows(2).find(|pair| pair[0].name == pair[1].name) {
        return Err(format!("{} is there twice", pair[0].name));
    }
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use super::*;
    use vwp_middleware::fields::from_pairs;

    fn read(rules: &str) -> Result<Settings, String> {
        Settings::read(|name| (name == RULES).then(|| rules.to_owned()))
    }

    fn charged(method: &str, target: &str, request: &[(&str, &str)]) -> Vec<(String, Key)> {
        let settings = read(
            r#"[{"name": "all", "per": "all", "quota": 1000, "window": 1},
                {"name": "caller", "per": "credentials", "quota": 100, "window": 60},
                {"name": "write", "methods": ["POST", "DELETE"], "prefix": "/v1/", "per": "network", "quota": 10, "window": 60}]"#,
        );
        let charges = settings.expect("rules").charges(method, target, &from_pairs(request));
        charges.into_iter().map(|charge| (charge.rule, charge.key)).collect()
    }

    fn rules_of(method: &str, target: &str, request: &[(&str, &str)]) -> Vec<String> {
        charged(method, target, request).into_iter().map(|(rule, _)| rule).collect()
    }

    #[test]
    fn a_request_is_charged_to_each_rule_that_is_about_it() {
        let peer = ("spin-client-addr", "192.0.2.1:1");
        let token = ("Authorization", "Bearer a");
        assert_eq!(rules_of("GET", "/v1/worlds?q=a", &[peer]), ["all"]);
        assert_eq!(rules_of("POST", "/v1/worlds", &[peer]), ["all", "write"]);
        assert_eq!(rules_of("POST", "/other", &[peer, token]), ["all", "caller"]);
        assert_eq!(rules_of("DELETE", "/v1/worlds/a?b=/", &[peer, token]), ["all", "caller", "write"]);
        assert_eq!(rules_of("POST", "/v1/worlds", &[]), ["all"], "nobody knows the network");
    }

    #[test]
    fn a_key_is_of_one_subject_and_does_not_say_which() {
        let key = |token: &str| charged("GET", "/", &[("authorization", token)])[1].clone();
        assert_eq!(key("Bearer a"), key("Bearer a"));
        assert_ne!(key("Bearer a"), key("Bearer b"));
        let text = String::from_utf8(key("Bearer a-secret").1).expect("text");
        assert!(text.starts_with("limits/caller/") && text.len() == 36 && !text.contains("secret"), "{text}");
    }

    #[test]
    fn a_setting_that_is_missing_or_malformed_is_named() {
        assert_eq!(Settings::read(|_| None).expect_err("nothing is set"), "`limits_rules` is not set");
        for rules in [
            "",
            r#"[{"name": "a", "per": "planet", "quota": 1, "window": 1}]"#,
            r#"[{"name": "a", "per": "all", "quota": 0, "window": 1}]"#,
            r#"[{"name": "a", "per": "all", "quota": 1, "window": 86401}]"#,
            r#"[{"name": "a/b", "per": "all", "quota": 1, "window": 1}]"#,
            r#"[{"name": "", "per": "all", "quota": 1, "window": 1}]"#,
            r#"[{"name": "a", "prefix": "v1", "per": "all", "quota": 1, "window": 1}]"#,
            r#"[{"name": "a", "path": "/", "per": "all", "quota": 1, "window": 1}]"#,
            r#"[{"name": "a", "per": "all", "quota": 1, "window": 1}, {"name": "a", "per": "network", "quota": 1, "window": 1}]"#,
        ] {
            let fault = read(rules).expect_err(rules);
            assert!(fault.starts_with("`limits_rules`: "), "{fault}");
        }
        let proxies = Settings::read(|name| Some(if name == RULES { "[]" } else { "two" }.to_owned()));
        assert_eq!(proxies.expect_err("no number"), "`limits_trusted_proxies` is no number");
    }
}
