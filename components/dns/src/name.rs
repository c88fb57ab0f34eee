//! Names in a zone, and the order that they have in the store.
//!
//! DNSSEC orders names from the root downwards (RFC 4034, section 6.1): by their last label,
//! then the one before it, each as bytes in lower case, and a name before those under it.
//! [`OrderedName`] writes a name so that the order of its bytes is that order, which makes
//! the store's order the chain of NSEC records, and a subtree one range of keys.

use domain::base::Name;
use domain::base::name::{Label, ToName};

/// A name that owns its bytes, in wire format (RFC 1035, section 3.1).
pub type OwnName = Name<Vec<u8>>;

/// The end of a label in an [`OrderedName`]. Smaller than every byte of a label, so that a
/// name comes before those under it.
const END: u8 = 0;
/// What comes before a byte that would pass for [`END`] or for this.
const ESCAPE: u8 = 1;

/// A name below an apex, as bytes that order as RFC 4034 orders names; empty at the apex.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct OrderedName(Vec<u8>);

impl OrderedName {
    /// The apex itself.
    pub fn apex() -> Self {
        Self::default()
    }

    /// The place of `name` in the zone of `apex`; none if it is not in it.
    pub fn of(name: &impl ToName, apex: &OwnName) -> Option<Self> {
        if !name.ends_with(apex) {
            return None;
        }
        let labels: Vec<&Label> = name.iter_labels().collect();
        let below = labels.len().checked_sub(apex.label_count())?;
        let mut ordered = Self::apex();
        for label in labels.get(..below)?.iter().rev() {
            ordered.push(label.as_ref());
        }
        Some(ordered)
    }

    /// Takes the bytes of a key. They are trusted, because only this type writes them.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether this is the apex.
    pub fn is_apex(&self) -> bool {
        self.0.is_empty()
    }

    /// The name one label below.
    #[must_use]
    pub fn child(&self, label: &[u8]) -> Self {
        let mut child = self.clone();
        child.push(label);
        child
    }

    /// The name one label above; none at the apex.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let before = self.0.get(..self.0.len().checked_sub(1)?)?;
        let end = before.iter().rposition(|&byte| byte == END).map_or(0, |at| at + 1);
        Some(Self(before.get(..end)?.to_vec()))
    }

    /// Whether this name is `other` or under it.
    pub fn is_in(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }

    /// How many labels it has below the apex.
    pub fn depth(&self) -> usize {
        self.0.split(|&byte| byte == END).count() - 1
    }

    /// The name in wire format. None if it is too long, which no name from a message is.
    pub fn to_name(&self, apex: &OwnName) -> Option<OwnName> {
        let mut wire = Vec::with_capacity(self.0.len() + apex.len());
        for label in self.labels().iter().rev() {
            wire.push(u8::try_from(label.len()).ok().filter(|&length| length < 64)?);
            wire.extend(label);
        }
        wire.extend(apex.as_slice());
        Name::from_octets(wire).ok()
    }

    /// The labels from the apex downwards, in lower case.
    pub fn labels(&self) -> Vec<Vec<u8>> {
        let (mut labels, mut label) = (Vec::new(), Vec::new());
        let mut bytes = self.0.iter();
        while let Some(&byte) = bytes.next() {
            match byte {
                END => labels.push(std::mem::take(&mut label)),
                ESCAPE => label.extend(bytes.next().map(|byte| byte.saturating_sub(1))),
                byte => label.push(byte),
            }
        }
        labels
    }

    fn push(&mut self, label: &[u8]) {
        for byte in label.iter().map(u8::to_ascii_lowercase) {
            if byte <= ESCAPE {
                self.0.push(ESCAPE);
                self.0.push(byte + 1);
            } else {
                self.0.push(byte);
            }
        }
        self.0.push(END);
    }
}

/// The name in lower case, as DNSSEC signs it (RFC 4034, section 6.2).
pub fn lowercase(name: &impl ToName) -> OwnName {
    let mut wire = Vec::with_capacity(usize::from(name.compose_len()));
    for label in name.iter_labels() {
        // A label has at most 63 bytes (RFC 1035, section 2.3.4).
        wire.push(u8::try_from(label.len()).unwrap_or(0));
        wire.extend(label.as_ref().iter().map(u8::to_ascii_lowercase));
    }
    Name::from_octets(wire).unwrap_or_else(|_| Name::root_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::base::cmp::CanonicalOrd;
    use proptest::prelude::*;

    fn name(text: &str) -> OwnName {
        Name::vec_from_str(text).expect("a name")
    }

    fn ordered(text: &str) -> OrderedName {
        OrderedName::of(&name(text), &name("vwp.test")).expect("a name in the zone")
    }

    #[test]
    fn names_come_back_in_lower_case() {
        for text in ["vwp.test", "Arena.vwp.test", "_minecraft._tcp.arena.VWP.test", "a\\001b\\000.vwp.test"]
        {
            let back = ordered(text).to_name(&name("vwp.test")).expect("a name");
            assert_eq!(back, lowercase(&name(text)));
        }
        assert_eq!(OrderedName::of(&name("vwp.example"), &name("vwp.test")), None);
        assert_eq!(OrderedName::of(&name("xvwp.test"), &name("vwp.test")), None);
    }

    #[test]
    fn parents_and_children_know_each_other() {
        let child = ordered("_vw.arena.vwp.test");
        assert_eq!(child.parent(), Some(ordered("arena.vwp.test")));
        assert_eq!(ordered("arena.vwp.test").child(b"_VW"), child);
        assert_eq!(ordered("arena.vwp.test").parent(), Some(OrderedName::apex()));
        assert_eq!(OrderedName::apex().parent(), None);
        assert!(child.is_in(&ordered("arena.vwp.test")) && !child.is_in(&ordered("aren.vwp.test")));
        assert_eq!((child.depth(), OrderedName::apex().depth()), (2, 0));
    }

    proptest! {
        #[test]
        fn bytes_order_as_rfc_4034_orders_names(
            names in prop::collection::vec(prop::collection::vec(prop::collection::vec(any::<u8>(), 1..5), 0..4), 2)
        ) {
            let names: Vec<OwnName> = names.iter().map(|labels| {
                let mut wire = Vec::new();
                for label in labels {
                    wire.push(u8::try_from(label.len()).expect("short"));
                    wire.extend(label);
                }
                wire.extend(name("vwp.test").as_slice());
                Name::from_octets(wire).expect("a name")
            }).collect();
            let ordered: Vec<_> =
                names.iter().map(|name| OrderedName::of(name, &self::name("vwp.test")).expect("in the zone")).collect();
            prop_assert_eq!(ordered[0].cmp(&ordered[1]), names[0].canonical_cmp(&names[1]));
        }
    }
}
