//! Policies in a file, as people write them: any number of policies in Cedar's own form, each with
//! an `@id("...")`. What is kept and sent has them apart, by their ids, so that each can be bounded
//! by itself.

use crate::limits;
use crate::set::{Diagnostic, Severity, Texts};
use cedar_policy::PolicySet;
use std::collections::btree_map::Entry;
use std::str::FromStr;

/// The longest file that is read, in bytes.
pub const FILE_LENGTH_MAX: usize = 131_072;
/// The most places in a file at which a tree can grow deeper.
const JOINTS_MAX: usize = 8192;
/// How much stack reading a file gets: enough for a tree as deep as that.
const STACK_BYTES: usize = 256 * 1_048_576;

/// Takes a file apart. For programs that run natively: a file in which everything is one policy is
/// found out only by reading it, which takes a thread with a large stack.
pub fn split(text: &str) -> Result<Texts, Vec<Diagnostic>> {
    let refused = |message: String| vec![Diagnostic { policy: None, severity: Severity::Error, message }];
    if text.len() > FILE_LENGTH_MAX || limits::joints(text) > JOINTS_MAX {
        return Err(refused(
            "the file is longer or more involved than any set of policies may be".to_owned(),
        ));
    }
    let text = text.to_owned();
    let reader = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || read(&text));
    let reader = reader.map_err(|error| refused(error.to_string()))?;
    reader.join().unwrap_or_else(|_| Err(refused("the file cannot be read".to_owned())))
}

fn read(text: &str) -> Result<Texts, Vec<Diagnostic>> {
    let error =
        |policy: Option<String>, message: String| Diagnostic { policy, severity: Severity::Error, message };
    let set = match PolicySet::from_str(text) {
        Ok(set) => set,
        Err(errors) => return Err(errors.iter().map(|said| error(None, said.to_string())).collect()),
    };
    let mut texts = Texts::new();
    let mut found = Vec::new();
    if set.num_of_templates() > 0 {
        found.push(error(None, "templates are not taken: write each policy out".to_owned()));
    }
    for policy in set.policies() {
        let Some(id) = policy.annotation("id") else {
            found.push(error(Some(policy.id().to_string()), "the policy has no @id(\"...\")".to_owned()));
            continue;
        };
        match texts.entry(id.to_owned()) {
            Entry::Vacant(place) => {
                place.insert(policy.to_string());
            }
            Entry::Occupied(place) => {
                found.push(error(Some(place.key().clone()), "two policies have this id".to_owned()));
            }
        }
    }
    if found.is_empty() { Ok(texts) } else { Err(found) }
}
