//! Which assets are paid for in which currency, at which processor: what the administrator says.

use super::ASSETS_OPTION;
use crate::Error;
use crate::assets::get_asset;
use serde::Deserialize;
use vwp_core::currency::Currency;
use vwp_core::{Environment, Problem};
use vwp_storage::Machines;

/// The longest text, in bytes.
const LENGTH_MAX: usize = 16_384;

/// An asset that is paid for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Payable {
    /// `code@world`.
    pub(crate) asset: String,
    /// The adapter, which has this name as a component.
    pub(crate) processor: String,
    /// ISO 4217.
    pub(crate) currency: String,
}

/// How an asset is paid for, if it is.
pub(crate) async fn payable(
    store: &impl Machines,
    environment: &Environment<'_>,
    asset: &str,
) -> Result<Payable, Error> {
    let found = configured(environment)?.into_iter().find(|payable| payable.asset == asset);
    let found = found.ok_or(Error::NotPayable)?;
    let currency: Currency = found.currency.parse().map_err(|_| misconfigured("a currency is none"))?;
    // Another scale would make a cent of a euro.
    if currency.scale() != Some(get_asset(store, asset).await?.scale) {
        return Err(misconfigured("an asset has another scale than its currency").into());
    }
    Ok(found)
}

/// Requires that something is paid for at a processor.
pub(crate) fn require_processor(environment: &Environment<'_>, name: &str) -> Result<(), Error> {
    let is_known = configured(environment)?.iter().any(|payable| payable.processor == name);
    if is_known { Ok(()) } else { Err(Problem::not_found("the port has no such processor").into()) }
}

fn configured(environment: &Environment<'_>) -> Result<Vec<Payable>, Problem> {
    read(environment.settings.options.get(ASSETS_OPTION).map_or("", String::as_str))
}

fn read(text: &str) -> Result<Vec<Payable>, Problem> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    if text.len() > LENGTH_MAX {
        return Err(misconfigured("it is too long"));
    }
    let read: Vec<Payable> = serde_json::from_str(text).map_err(|_| misconfigured("it is not the list"))?;
    if read.iter().all(|payable| vwp_processor::is_name(&payable.processor)) {
        Ok(read)
    } else {
        Err(misconfigured("a processor's name is none"))
    }
}

fn misconfigured(fault: &str) -> Problem {
    // For the administrator, in the log; the caller learns nothing of it.
    eprintln!("variable {ASSETS_OPTION}: {fault}");
    Problem::internal()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_json_and_names_adapters() {
        assert_eq!(read(" "), Ok(Vec::new()));
        let one = r#"[{"asset": "eur@arena", "processor": "stripe", "currency": "EUR"}]"#;
        assert_eq!(read(one).map(|list| list.len()), Ok(1));
        for text in
            ["{}", &one.replace("stripe", "stripe.com/"), &one.replace(']', ""), &"[".repeat(LENGTH_MAX + 1)]
        {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
