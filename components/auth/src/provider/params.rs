//! Parameters of a request, from a query or a form.

use super::error::OauthError;
use http::Request;
use std::collections::BTreeMap;
use vwp_core::reply;

/// The longest query or form, in bytes.
pub(crate) const LENGTH_MAX: usize = 8192;
/// The most parameters of a request.
const PARAMS_MAX: usize = 40;
/// The type of a form.
const FORM: &str = "application/x-www-form-urlencoded";

/// The parameters of a request, each once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Params(BTreeMap<String, String>);

impl Params {
    /// Reads `application/x-www-form-urlencoded`. A parameter that occurs twice is refused, and
    /// one without a value counts as absent (RFC 6749, section 3.1).
    pub(crate) fn parse(text: &[u8]) -> Result<Self, OauthError> {
        if text.len() > LENGTH_MAX {
            return Err(OauthError::Request("the request is too long"));
        }
        Self::read(text)
    }

    fn read(text: &[u8]) -> Result<Self, OauthError> {
        let mut params = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(text) {
            if params.len() >= PARAMS_MAX {
                return Err(OauthError::Request("the request has too many parameters"));
            }
            if params.insert(name.into_owned(), value.into_owned()).is_some() {
                return Err(OauthError::Request("a parameter occurs twice"));
            }
        }
        params.retain(|_, value| !value.is_empty());
        Ok(Self(params))
    }

    /// Reads the form that a request carries.
    pub(crate) fn form(request: &Request<Vec<u8>>) -> Result<Self, OauthError> {
        Self::form_within(request, LENGTH_MAX)
    }

    /// The same where a form may have another length, in bytes.
    pub(crate) fn form_within(request: &Request<Vec<u8>>, length_max: usize) -> Result<Self, OauthError> {
        reply::require_media_type(request.headers(), FORM)?;
        if request.body().len() > length_max {
            return Err(reply::too_large(length_max).into());
        }
        Self::read(request.body())
    }

    /// A parameter, if it was sent.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A parameter that must be there; `refusal` says which.
    pub(crate) fn need(&self, name: &str, refusal: &'static str) -> Result<&str, OauthError> {
        self.get(name).ok_or(OauthError::Request(refusal))
    }

    /// The parameters without some of them, written as a form again.
    pub(crate) fn without(&self, names: &[&str]) -> String {
        let kept = self.0.iter().filter(|(name, _)| !names.contains(&name.as_str()));
        form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_occurs_once_and_an_empty_one_not_at_all() {
        let params = Params::parse(b"a=1&b=&c=x+y%26").unwrap();
        assert_eq!((params.get("a"), params.get("b"), params.get("c")), (Some("1"), None, Some("x y&")));
        assert!(Params::parse(b"a=1&a=1").is_err());
        assert!(Params::parse(b"a=&a=1").is_err());
        assert!(Params::parse(&vec![b'a'; LENGTH_MAX + 1]).is_err());
        assert_eq!(params.without(&["a"]), "c=x+y%26");
    }
}
