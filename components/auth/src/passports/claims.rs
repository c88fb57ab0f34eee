//! What a passport or a ticket can tell of a traveller, each claim by itself.

use super::PassportError;
use super::subject::Pairwise;
use crate::accounts::Traveller;
use crate::error::AuthError;
use crate::profile::{self, Profile};
use chrono::{DateTime, NaiveDate};
use serde_json::{Map, Value};
use vwp_core::Environment;
use vwp_core::environment::Timestamp;
use vwp_storage::Kv;

/// The most claims that one passport or ticket has.
pub const CLAIMS_MAX: usize = 16;
/// The ages that a passport can say one is over, without saying how old one is.
pub const AGES: [u8; 6] = [6, 12, 13, 16, 18, 21];

/// What there is to tell.
pub struct Available {
    claims: Map<String, Value>,
}

impl Available {
    /// Reads what is known of a traveller. `as_of` is the time for which ages are told: a
    /// coarse one, so that they do not change on somebody's birthday.
    pub async fn read(
        kv: &impl Kv,
        traveller: &Traveller,
        as_of: Timestamp,
        environment: &Environment<'_>,
    ) -> Result<Self, AuthError> {
        let profile = profile::read(kv, &traveller.id, environment).await?.unwrap_or_default();
        let mut claims = Map::new();
        claims.insert("traveller".into(), traveller.id.clone().into());
        claims.insert("handle".into(), traveller.handle.clone().into());
        let entitlements = granted(kv, &traveller.id, &profile, environment).await?;
        if !entitlements.is_empty() {
            claims.insert("entitlements".into(), entitlements.into());
        }
        claims.extend(ages(&profile, as_of));
        let Profile { avatar, languages, home_world, .. } = profile;
        claims.extend(avatar.map(|avatar| ("avatar".to_owned(), avatar.into())));
        claims.extend(home_world.map(|world| ("home_world".to_owned(), world.into())));
        if !languages.is_empty() {
            claims.insert("languages".into(), languages.into());
        }
        Ok(Self { claims })
    }

    /// Leaves out what is the same at every world and names the traveller for sure: the id.
    #[must_use]
    pub fn without_id(mut self) -> Self {
        self.claims.remove("traveller");
        self
    }

    /// The claims of these names, or all. A name that there is no claim for is an error, so that
    /// nobody finds out at a door what is missing.
    pub fn choose(self, names: Option<&[String]>) -> Result<Map<String, Value>, PassportError> {
        let Some(names) = names else {
            return Ok(self.claims);
        };
        let mut chosen = Map::new();
        for name in names.iter().take(CLAIMS_MAX + 1) {
            let value = self.claims.get(name).filter(|_| chosen.len() < CLAIMS_MAX);
            // The name came from outside, so no more of it is repeated than one would read.
            let refused = || PassportError::Claim(name.chars().take(32).collect());
            chosen.insert(name.clone(), value.ok_or_else(refused)?.clone());
        }
        Ok(chosen)
    }
}

/// Whether the traveller is over each age, if there is a birth date.
fn ages(profile: &Profile, as_of: Timestamp) -> Vec<(String, Value)> {
    let born = profile.birth_date.as_deref().and_then(profile::date);
    let today = i64::try_from(as_of).ok().and_then(DateTime::from_timestamp_millis);
    let (Some(born), Some(today)) = (born, today.map(|time| time.date_naive())) else {
        return Vec::new();
    };
    let years = years_between(born, today);
    AGES.iter().map(|age| (format!("age_over_{age}"), (years >= u32::from(*age)).into())).collect()
}

/// Full years of life. Who was born on 29 February completes one on 1 March of other years.
fn years_between(born: NaiveDate, today: NaiveDate) -> u32 {
    today.years_since(born).unwrap_or(0)
}

/// The entitlements that the profile names and the worlds that they are of have granted.
async fn granted(
    kv: &impl Kv,
    traveller: &str,
    profile: &Profile,
    environment: &Environment<'_>,
) -> Result<Vec<String>, AuthError> {
    if profile.entitlements.is_empty() {
        return Ok(Vec::new());
    }
    let pairwise = Pairwise::open(kv, environment).await?;
    let mut granted = Vec::new();
    for name in &profile.entitlements {
        let Ok(entitlement) = name.parse::<vwp_core::name::AssetName>() else { continue };
        let subject = pairwise.subject(traveller, &entitlement.world)?;
        if crate::tickets::entitlements::is_granted(kv, &entitlement, &subject, environment).await? {
            granted.push(name.clone());
        }
    }
    Ok(granted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_year_of_life_is_complete_on_the_birthday() {
        let date = |text: &str| profile::date(text).unwrap();
        let years = |born, today| years_between(date(born), date(today));
        assert_eq!(years("2008-03-10", "2026-03-09"), 17);
        assert_eq!(years("2008-03-10", "2026-03-10"), 18);
        assert_eq!(years("2008-02-29", "2026-02-28"), 17);
        assert_eq!(years("2008-02-29", "2026-03-01"), 18);
        assert_eq!(years("2030-01-01", "2026-03-01"), 0, "not born yet");
    }
}
