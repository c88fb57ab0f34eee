//! Which coding a request takes (RFC 9110, section 12.5.3).

use vwp_middleware::fields::{Fields, has, members};

/// The largest weight: thousandths, because a weight has at most three decimals (RFC 9110, section 12.4.2).
const WEIGHT_MAX: u16 = 1000;

/// The coding in which an answer is sent, if it can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// As it is.
    Identity,
    /// Compressed, if that is worth it.
    Gzip,
    /// Compressed in any case: the request refuses what is not.
    GzipOnly,
}

/// The coding that a request takes. One that takes neither gets its answer as it is, which a server may
/// do (RFC 9110, section 12.1), and which helps it more than a refusal.
pub fn choose(request: &Fields) -> Coding {
    // Without the field anything may be sent. Who does not ask for a coding is not known to read it.
    if !has(request, "accept-encoding") {
        return Coding::Identity;
    }
    let (mut gzip, mut identity, mut any) = (None, None, None);
    for member in members(request, "accept-encoding") {
        let Some((coding, weight)) = weighted(member) else { continue };
        // RFC 9110, section 8.4.1.3: `x-gzip` is the same.
        let known = match coding.to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => &mut gzip,
            "identity" => &mut identity,
            "*" => &mut any,
            _ => continue,
        };
        known.get_or_insert(weight);
    }
    let gzip = gzip.or(any).unwrap_or(0);
    let refuses_identity = identity.or(any) == Some(0);
    let prefers_identity = identity.is_some_and(|identity| identity > gzip);
    if gzip == 0 || prefers_identity {
        Coding::Identity
    } else if refuses_identity {
        Coding::GzipOnly
    } else {
        Coding::Gzip
    }
}

/// A coding and its weight; none if that cannot be read.
fn weighted(member: &str) -> Option<(&str, u16)> {
    let mut parts = member.split(';').map(|part| part.trim_matches([' ', '\t']));
    let coding = parts.next()?;
    let Some(parameter) = parts.next() else { return Some((coding, WEIGHT_MAX)) };
    let (name, value) = parameter.split_once('=')?;
    let is_weight = name.eq_ignore_ascii_case("q") && parts.next().is_none();
    is_weight.then(|| weight(value)).flatten().map(|weight| (coding, weight))
}

/// A weight in thousandths (RFC 9110, section 12.4.2).
fn weight(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let is_well_formed = matches!(whole, "0" | "1")
        && decimals.len() <= 3
        && decimals.bytes().all(|byte| byte.is_ascii_digit());
    let weight = format!("{whole}{decimals:0<3}").parse().ok().filter(|_| is_well_formed)?;
    (weight <= WEIGHT_MAX).then_some(weight)
}

#[cfg(test)]
mod tests {
    use super::*;
    use vwp_middleware::fields::from_pairs;

    fn chosen(accepted: &str) -> Coding {
        choose(&from_pairs(&[("Accept-Encoding", accepted)]))
    }

    #[test]
    fn who_takes_gzip_gets_it_and_nobody_else_does() {
        for accepted in
            ["gzip", "GZIP", "x-gzip", "br, gzip;q=0.5", "gzip ; q=0.001", "*", "deflate, *;q=0.1"]
        {
            assert_eq!(chosen(accepted), Coding::Gzip, "{accepted}");
        }
        for accepted in ["", "br", "identity", "gzip;q=0", "gzip;q=0.000, *", "*;q=0", "gzip;q=0, br, *;q=0"]
        {
            assert_eq!(chosen(accepted), Coding::Identity, "{accepted}");
        }
        assert_eq!(choose(&Fields::new()), Coding::Identity, "nothing is asked for");
    }

    #[test]
    fn who_would_rather_have_it_as_it_is_gets_it_so() {
        assert_eq!(chosen("gzip;q=0.5, identity"), Coding::Identity);
        assert_eq!(chosen("gzip;q=0.5, identity;q=0.4"), Coding::Gzip);
        // What is not listed may be sent, and is what is wanted least.
        assert_eq!(chosen("gzip;q=0.1"), Coding::Gzip);
    }

    #[test]
    fn who_refuses_it_as_it_is_gets_it_compressed_whatever_it_is() {
        assert_eq!(chosen("gzip, identity;q=0"), Coding::GzipOnly);
        assert_eq!(chosen("gzip;q=0.2, *;q=0"), Coding::GzipOnly);
        assert_eq!(chosen("identity;q=0, *"), Coding::GzipOnly);
        assert_eq!(chosen("gzip, identity;q=0.1, *;q=0"), Coding::Gzip);
    }

    #[test]
    fn a_weight_that_cannot_be_read_is_not_guessed() {
        for weight in ["2", "1.001", "0.0001", "-1", "", "1e0", ".5", "0,5", "+1", "0.+1"] {
            assert_eq!(chosen(&format!("gzip;q={weight}")), Coding::Identity, "{weight:?}");
        }
        assert_eq!(chosen("gzip;level=9"), Coding::Identity);
        for weight in ["1.", "0.5", "1.000", "0.123"] {
            assert_eq!(chosen(&format!("gzip;q={weight}")), Coding::Gzip, "{weight:?}");
        }
    }
}
