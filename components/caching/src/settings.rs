//! What an integrator says of paths.

use serde::Deserialize;

/// The setting with the rules: a JSON list.
pub const RULES: &str = "caching_rules";
/// The setting with the longest answer that gets an entity tag, in bytes.
pub const TAGGED_BYTES_MAX: &str = "caching_tagged_bytes_max";

/// Its default. As much of an answer is held back until the tag is known.
const TAGGED_BYTES_DEFAULT: usize = 64 * 1024;
/// The largest that it may be set to.
const TAGGED_BYTES_LIMIT: usize = 1024 * 1024;
/// The most rules.
const RULES_MAX: usize = 256;
/// The longest time, in seconds: what every cache can count to (RFC 9111, section 1.2.2).
const SECONDS_MAX: u32 = 1 << 31;

/// All settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    rules: Vec<Rule>,
    /// The longest answer that gets an entity tag, in bytes.
    pub tagged_bytes_max: usize,
}

/// What is said of the paths that begin in the same way.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// How the paths begin.
    pub prefix: String,
    /// How long an answer is fresh, in seconds; without it answers get no `Cache-Control`.
    pub max_age: Option<u32>,
    /// How long an answer may be used after that while another one is fetched, in seconds (RFC 5861, section 3).
    pub stale_while_revalidate: Option<u32>,
    /// How long an answer may be used after that if no other one can be had, in seconds (RFC 5861, section 4).
    pub stale_if_error: Option<u32>,
    /// Whether caches that many share may keep answers that nobody was named for.
    #[serde(default)]
    pub shared: bool,
    /// Whether answers get entity tags.
    #[serde(default = "yes")]
    pub tags: bool,
}

fn yes() -> bool {
    true
}

impl Settings {
    /// Reads the settings by name; the error says which one is malformed, and how.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let rules = get(RULES).map(|text| rules(&text)).transpose();
        let rules = rules.map_err(|fault| format!("`{RULES}`: {fault}"))?.unwrap_or_default();
        let tagged_bytes_max = match get(TAGGED_BYTES_MAX) {
            None => TAGGED_BYTES_DEFAULT,
            Some(text) => text
                .parse()
                .ok()
                .filter(|bytes| *bytes <= TAGGED_BYTES_LIMIT)
                .ok_or_else(|| format!("`{TAGGED_BYTES_MAX}` is no number up to {TAGGED_BYTES_LIMIT}"))?,
        };
        Ok(Self { rules, tagged_bytes_max })
    }

    /// What is said of a path: the rule with the longest beginning that it has.
    pub fn rule(&self, path: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| path.starts_with(&rule.prefix))
    }
}

fn rules(text: &str) -> Result<Vec<Rule>, String> {
    let mut rules: Vec<Rule> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if rules.len() > RULES_MAX {
        return Err(format!("at most {RULES_MAX} rules"));
    }
    for rule in &rules {
        let seconds = [rule.max_age, rule.stale_while_revalidate, rule.stale_if_error];
        if seconds.into_iter().flatten().any(|seconds| seconds > SECONDS_MAX) {
            return Err(format!("{}: at most {SECONDS_MAX} seconds", rule.prefix));
        }
        if rule.max_age.is_none() && (seconds.iter().any(Option::is_some) || rule.shared) {
            return Err(format!("{}: what is not kept has no `max_age`, and nothing else then", rule.prefix));
        }
        if !rule.prefix.starts_with('/') {
            return Err(format!("{}: a path begins with `/`", rule.prefix));
        }
    }
    // The longest beginning first.
    rules.sort_by_key(|rule| std::cmp::Reverse(rule.prefix.len()));
    if let Some(pair) = rules.windows(2).find(|pair| pair[0].prefix == pair[1].prefix) {
        return Err(format!("{} is there twice", pair[0].prefix));
    }
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(rules: &str) -> Result<Settings, String> {
        Settings::read(|name| (name == RULES).then(|| rules.to_owned()))
    }

    #[test]
    fn the_longest_beginning_counts_in_whatever_order_rules_are() {
        let settings = read(
            r#"[{"prefix": "/", "max_age": 1},
                {"prefix": "/maps/", "max_age": 2, "shared": true},
                {"prefix": "/maps/live", "tags": false}]"#,
        )
        .expect("rules");
        let max_age = |path: &str| settings.rule(path).expect("a rule").max_age;
        assert_eq!(max_age("/"), Some(1));
        assert_eq!(max_age("/maps"), Some(1));
        assert_eq!(max_age("/maps/arena.json"), Some(2));
        assert_eq!(max_age("/maps/live?at=1"), None);
        assert!(!settings.rule("/maps/live").expect("a rule").tags);
    }

    #[test]
    fn nothing_need_be_set() {
        let settings = Settings::read(|_| None).expect("defaults");
        assert_eq!(settings.rule("/"), None);
        assert_eq!(settings.tagged_bytes_max, 65_536);
    }

    #[test]
    fn a_setting_that_is_malformed_is_named() {
        for rules in [
            "",
            "{}",
            r#"[{"prefix": "/", "maxage": 1}]"#,
            r#"[{"prefix": "maps", "max_age": 1}]"#,
            r#"[{"prefix": "/", "max_age": -1}]"#,
            r#"[{"prefix": "/", "max_age": 2147483649}]"#,
            r#"[{"prefix": "/", "stale_if_error": 1}]"#,
            r#"[{"prefix": "/", "shared": true}]"#,
            r#"[{"prefix": "/", "max_age": 1}, {"prefix": "/", "max_age": 2}]"#,
        ] {
            let fault = read(rules).expect_err(rules);
            assert!(fault.starts_with("`caching_rules`"), "{fault}");
        }
        let fault = Settings::read(|name| (name == TAGGED_BYTES_MAX).then(|| "1048577".to_owned()));
        assert!(fault.expect_err("too many").starts_with("`caching_tagged_bytes_max`"));
    }
}
