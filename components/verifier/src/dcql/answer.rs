//! What a wallet answers: a `vp_token` (OpenID4VP 1.0, section 8.1), validated as section 8.6 says.

use super::{ClaimQuery, CredentialQuery, CredentialSet, DcqlError, Query};
use crate::strict_json;
use crate::trust::Trust;
use crate::verify::{Asking, Passport, PresentationError};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashSet};

/// The longest `vp_token`, in bytes.
pub const TOKEN_LENGTH_MAX: usize = 131_072;
/// The most presentations for one credential query.
pub const PRESENTATIONS_MAX: usize = 8;

/// Passports that were believed, by the ids of the credential queries that they are for.
pub type Answers = BTreeMap<String, Vec<Passport>>;

impl Query {
    /// Believes an answer with the keys of trusted issuers. The audience is the verifier's whole client
    /// identifier, with its prefix if it has one (section 14), and the nonce the one of this request,
    /// which the caller takes for one answer only.
    pub fn verify(&self, vp_token: &str, trust: &Trust, asking: &Asking<'_>) -> Result<Answers, DcqlError> {
        self.verify_with(vp_token, |presentation| trust.verify(presentation, asking))
    }

    /// What of a passport's claims was asked for with the credential query of an id: members in which
    /// a claim was asked for. A wallet that discloses more has its traveller tell more than the
    /// verifier had a purpose for (section 15), and what is left out here cannot be used.
    pub fn only_asked(&self, id: &str, claims: &Map<String, Value>) -> Map<String, Value> {
        let query = self.credentials.iter().find(|query| query.id == id);
        let names: HashSet<&str> = query
            .into_iter()
            .flat_map(|query| &query.claims)
            .filter_map(|claim| claim.path.member())
            .collect();
        let asked = claims.iter().filter(|(name, _)| names.contains(name.as_str()));
        asked.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// The same, with whatever else is to be checked of a presentation, such as its status.
    /// `believe` has to check the key binding with the verifier's client identifier and nonce.
    pub fn verify_with(
        &self,
        vp_token: &str,
        mut believe: impl FnMut(&str) -> Result<Passport, PresentationError>,
    ) -> Result<Answers, DcqlError> {
        let mut answers = Answers::new();
        let mut refusal = None;
        for (query, presentations) in self.read(vp_token)? {
            let mut holders = HashSet::new();
            for presentation in presentations {
                // Section 8.6: a presentation that fails a check is discarded.
                let passport = match believe(&presentation) {
                    Ok(passport) => passport,
                    Err(error) => {
                        let id = query.id.clone();
                        refusal.get_or_insert(DcqlError::Presentation { id, error });
                        continue;
                    }
                };
                if !query.matches(&passport) {
                    refusal.get_or_insert_with(|| DcqlError::Unmatched(query.id.clone()));
                    continue;
                }
                // One passport that is shown twice would count as two.
                if !holders.insert(passport.holder.clone()) {
                    return Err(DcqlError::Token("a credential is presented twice for one query"));
                }
                answers.entry(query.id.clone()).or_default().push(passport);
            }
        }
        if self.is_satisfied(&answers) { Ok(answers) } else { Err(refusal.unwrap_or(DcqlError::Unsatisfied)) }
    }

    /// Takes the token apart, without believing anything.
    fn read(&self, vp_token: &str) -> Result<Vec<(&CredentialQuery, Vec<String>)>, DcqlError> {
        if vp_token.len() > TOKEN_LENGTH_MAX {
            return Err(DcqlError::Token("it is too long"));
        }
        let token = strict_json::parse_object(vp_token.as_bytes())
            .map_err(|_| DcqlError::Token("it is not a JSON object in which each member occurs once"))?;
        let mut read = Vec::new();
        for (id, presentations) in token {
            let query = self.credentials.iter().find(|query| query.id == id);
            let query = query.ok_or(DcqlError::Token("it has an id that was not asked for"))?;
            let length_max = if query.multiple { PRESENTATIONS_MAX } else { 1 };
            let presentations = match presentations {
                Value::Array(list) if (1..=length_max).contains(&list.len()) => list,
                _ => return Err(DcqlError::Token("an entry is not an array of as many as were asked for")),
            };
            let text = |presentation| match presentation {
                Value::String(text) => Ok(text),
                _ => Err(DcqlError::Token("a presentation of dc+sd-jwt is a string")),
            };
            read.push((query, presentations.into_iter().map(text).collect::<Result<_, _>>()?));
        }
        Ok(read)
    }

    /// Section 6.4.2.
    fn is_satisfied(&self, answers: &Answers) -> bool {
        let Some(sets) = &self.sets else {
            return self.credentials.iter().all(|query| answers.contains_key(&query.id));
        };
        sets.iter().filter(|set| set.required).all(|set| set.is_satisfied(answers))
    }
}

impl CredentialSet {
    fn is_satisfied(&self, answers: &Answers) -> bool {
        self.options.iter().any(|option| option.iter().all(|id| answers.contains_key(id)))
    }
}

impl CredentialQuery {
    /// Whether a passport is of a type that was asked for and has the claims (section 6.4.1).
    fn matches(&self, passport: &Passport) -> bool {
        let vct = passport.claims.get("vct").and_then(Value::as_str).unwrap_or_default();
        if !self.types.iter().any(|wanted| wanted == vct) {
            return false;
        }
        let claims = Value::Object(passport.claims.clone());
        let Some(sets) = &self.claim_sets else {
            return self.claims.iter().all(|claim| claim.is_in(&claims));
        };
        let has = |id: &String| {
            let claim = self.claims.iter().find(|claim| claim.id.as_ref() == Some(id));
            claim.is_some_and(|claim| claim.is_in(&claims))
        };
        sets.iter().any(|set| set.iter().all(has))
    }
}

impl ClaimQuery {
    /// Section 6.3: type and value match exactly for at least one of the values.
    fn is_in(&self, claims: &Value) -> bool {
        let Some(selected) = self.path.select(claims) else { return false };
        self.values.as_ref().is_none_or(|values| selected.iter().any(|value| values.contains(value)))
    }
}
