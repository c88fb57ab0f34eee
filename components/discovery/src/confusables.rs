//! Names that look alike, by UTS 39 (Unicode Security Mechanisms).
//!
//! Two names of which a person cannot tell one from the other have the same [`skeleton`];
//! the registry gives it to one operator. A name that mixes scripts as no writing system
//! does is refused before that, because such names exist to be taken for others.

use crate::names;
use unicode_security::RestrictionLevel;
use unicode_security::RestrictionLevelDetection as _;
use vwp_core::name::WorldName;

/// What a name looks like: the same text for all names that look the same (UTS 39, section 4).
///
/// Names in DNS have no case, but look-alikes do: the prototype of a zero is a capital O. So
/// the skeleton is folded to lower case, and once more made a skeleton, because the small
/// letter may have a prototype of its own.
pub fn skeleton(name: &WorldName) -> String {
    of_text(&names::to_unicode(name))
}

fn of_text(text: &str) -> String {
    let once: String = unicode_security::skeleton(text).flat_map(char::to_lowercase).collect();
    unicode_security::skeleton(&once).flat_map(char::to_lowercase).collect()
}

/// Whether each label has letters of scripts that people write together: at most Moderately
/// Restrictive (UTS 39, section 5.2), so no Latin with Cyrillic or Greek in one label.
pub fn is_written_together(name: &WorldName) -> bool {
    let text = names::to_unicode(name);
    text.split('.').all(|label| label.check_restriction_level(RestrictionLevel::ModeratelyRestrictive))
}

/// Whether the name looks like `other`, which it is not.
pub(crate) fn looks_like(name: &WorldName, other: &str) -> bool {
    name.as_str() != other && skeleton(name) == of_text(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> WorldName {
        names::world(text).expect("a name")
    }

    #[test]
    fn names_that_look_alike_have_one_skeleton() {
        for (one, other) in [
            // Cyrillic letters throughout: one script, and yet taken for Latin ones.
            ("cop", "сор"),
            ("arena0", "arenao"),
            ("world1", "worldl"),
            ("modern", "modem"),
            ("ρort", "port"),
        ] {
            assert_eq!(skeleton(&name(one)), skeleton(&name(other)), "{one} {other}");
        }
        for (one, other) in [("arena", "arenas"), ("bücher", "bucher"), ("one", "two"), ("世界", "世介")]
        {
            assert_ne!(skeleton(&name(one)), skeleton(&name(other)), "{one} {other}");
        }
    }

    #[test]
    fn scripts_mix_only_as_people_write_them() {
        for good in ["arena-2", "bücher", "straße", "мир", "世界", "ゲームの世界", "anime世界", "한국-server"]
        {
            assert!(is_written_together(&name(good)), "{good}");
        }
        // A Cyrillic and a Greek letter among Latin ones, and a picture.
        for bad in ["аrena", "ρort", "i❤worlds"] {
            assert!(!is_written_together(&name(bad)), "{bad}");
        }
    }
}
