//! `authorization_details` of the type `openid_credential` (OpenID4VCI 1.0, section 5.1.1, and
//! RFC 9396). A type defines its own members, and here there is one more: the world that the
//! passports are for.

use super::CONFIGURATION;
use crate::provider::error::OauthError;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use vwp_core::name::WorldName;

/// The type of the details.
pub(crate) const TYPE: &str = "openid_credential";
/// The longest parameter that is looked at, in bytes.
const LENGTH_MAX: usize = 2048;

/// Passports that a traveller lets a client have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Details {
    /// The world that they are for; none: any world.
    pub(crate) world: Option<String>,
}

/// An object as it was sent. Other members are ignored, because section 5.1.1 leaves them open for
/// this type.
#[derive(Deserialize)]
struct Given {
    r#type: String,
    credential_configuration_id: String,
    world: Option<String>,
}

impl Details {
    /// Reads the parameter: one object, because there is one kind of credential.
    pub(crate) fn parse(text: &str) -> Result<Self, OauthError> {
        let refused = OauthError::AuthorizationDetails;
        if text.len() > LENGTH_MAX {
            return Err(refused("authorization_details are too long"));
        }
        let given: Vec<Given> = serde_json::from_str(text)
            .map_err(|_| refused("authorization_details are not a list of the expected objects"))?;
        let Ok([given]) = <[Given; 1]>::try_from(given) else {
            return Err(refused("authorization_details have one object"));
        };
        if given.r#type != TYPE || given.credential_configuration_id != CONFIGURATION {
            return Err(refused("the details are openid_credential for the configuration passport"));
        }
        if given.world.as_ref().is_some_and(|world| world.parse::<WorldName>().is_err()) {
            return Err(refused("world is not a world's name"));
        }
        Ok(Self { world: given.world })
    }

    /// What a wallet asks for at the credential endpoint.
    pub(crate) fn identifier(&self) -> String {
        match &self.world {
            Some(world) => format!("{CONFIGURATION}:{world}"),
            None => CONFIGURATION.to_owned(),
        }
    }

    /// As the token endpoint writes them (section 6.2).
    pub(crate) fn granted(&self) -> Value {
        let mut granted = json!([{
            "type": TYPE,
            "credential_configuration_id": CONFIGURATION,
            "credential_identifiers": [self.identifier()],
        }]);
        if let Some(world) = &self.world {
            granted[0]["world"] = world.clone().into();
        }
        granted
    }
}
