//! A verifier that remembers: what many presentations have in common is verified once.
//!
//! A world shows one status list, of up to hundreds of kilobytes, with every presentation. As long as
//! the same list and the same keys come again, to the byte, its signature is as good as before and is
//! not verified again. Its end and its age are looked at each time.

use crate::keys::KeySet;
use crate::status::{StatusError, StatusList};
use crate::verify::{self, Expected, Passport, PresentationError};

/// What was verified last.
#[derive(Debug, Default)]
pub struct Verifier {
    keys: Option<(String, KeySet)>,
    list: Option<(String, StatusList)>,
}

impl Verifier {
    /// Says what [`verify::verify_with_status`] says, of keys as a JWK Set.
    pub fn verify_with_status(
        &mut self,
        presentation: &str,
        key_set: &str,
        status_list: &str,
        age_max_s: u64,
        expected: &Expected<'_>,
    ) -> Result<Passport, PresentationError> {
        let kept = self.keys.take().filter(|(known, _)| known == key_set);
        let kept = if let Some(kept) = kept {
            kept
        } else {
            // Whom the new keys belong to did not sign what the old ones verified.
            self.list = None;
            (key_set.to_owned(), KeySet::from_json(key_set)?)
        };
        let (_, keys) = self.keys.insert(kept);
        let passport = verify::verify(presentation, keys, expected)?;
        let reference = passport.status.as_ref().ok_or(StatusError::Missing)?;
        let kept = self.list.take().filter(|(known, _)| known == status_list);
        let kept = if let Some(kept) = kept {
            kept
        } else {
            let list = StatusList::verify(status_list, keys, &reference.uri, expected.now)?;
            (status_list.to_owned(), list)
        };
        let (_, list) = self.list.insert(kept);
        list.check(reference, age_max_s, expected.now)?;
        Ok(passport)
    }
}
