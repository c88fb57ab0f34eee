//! Which port a command speaks to, and as whom: options that many commands share.

use crate::input;
use crate::key::Key;
use crate::port::Port;
use crate::sign::operator_token;
use anyhow::Context;
use clap::Args;
use std::path::{Path, PathBuf};

/// The variable that holds the administrator's token.
const TOKEN_VARIABLE: &str = "VWP_ADMIN_TOKEN";
/// Where `vwp up` keeps the administrator's token, unless it is told otherwise.
const TOKEN_FILE: &str = "./data/secrets/admin_token";

/// Which port.
#[derive(Debug, Clone, Args)]
pub struct PortArguments {
    /// The port's URL
    #[arg(long, value_name = "URL", env = "VWP_URL", default_value = "http://127.0.0.1:3000")]
    pub url: String,
}

impl PortArguments {
    /// The port.
    pub fn port(&self) -> Port {
        Port::new(&self.url)
    }
}

/// Which port, as its administrator. The token is never an argument, because everybody on
/// a machine can read those.
#[derive(Debug, Clone, Args)]
pub struct AdministratorArguments {
    #[command(flatten)]
    port: PortArguments,
    /// A file with the administrator's token [default: the variable `VWP_ADMIN_TOKEN`, then
    /// ./data/secrets/admin_token]
    #[arg(long, value_name = "FILE")]
    admin_token_file: Option<PathBuf>,
}

impl AdministratorArguments {
    /// The port, which is told the administrator's token with every request.
    pub fn port(&self) -> anyhow::Result<Port> {
        let given = std::env::var(TOKEN_VARIABLE).ok();
        Ok(self.port.port().with_token(token(self.admin_token_file.as_deref(), given)?))
    }
}

/// Which port, as an operator whose key is given, or else as its administrator.
#[derive(Debug, Clone, Args)]
pub struct CallerArguments {
    #[command(flatten)]
    administrator: AdministratorArguments,
    /// An operator's key file, to act as this operator instead of as the administrator
    #[arg(long, value_name = "FILE", conflicts_with = "admin_token_file")]
    key: Option<PathBuf>,
    /// The operator's id, if the key is not the one that the operator began with
    #[arg(long, value_name = "ID", requires = "key", allow_hyphen_values = true)]
    operator: Option<String>,
}

impl CallerArguments {
    /// The port, which is told with every request who asks.
    pub fn port(&self) -> anyhow::Result<Port> {
        self.port_with(None)
    }

    /// The port, which is told who sends this body: what an operator says of itself is for this one alone.
    pub fn port_for(&self, body: &[u8]) -> anyhow::Result<Port> {
        self.port_with(Some(body))
    }

    fn port_with(&self, body: Option<&[u8]>) -> anyhow::Result<Port> {
        let Some(file) = &self.key else { return self.administrator.port() };
        let (key, port) = (Key::load(file)?, self.administrator.port.port());
        let token = operator_token(&key, self.operator.as_deref(), &port.index()?.issuer, body);
        Ok(port.with_token(token))
    }
}

/// The token: of the file that was named, or of the variable, or of the usual file.
fn token(file: Option<&Path>, variable: Option<String>) -> anyhow::Result<String> {
    let variable = variable.filter(|token| !token.is_empty());
    match (file, variable) {
        (Some(file), _) => input::read_text(file),
        (None, Some(token)) => Ok(token),
        (None, None) => input::read_text(Path::new(TOKEN_FILE)).with_context(|| {
            format!("the administrator's token is in neither {TOKEN_VARIABLE} nor --admin-token-file")
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_that_is_named_comes_before_the_variable() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "from-file\n").unwrap();
        assert_eq!(token(Some(&file), Some("from-variable".into())).unwrap(), "from-file");
        assert_eq!(token(None, Some("from-variable".into())).unwrap(), "from-variable");
        assert!(token(Some(&folder.path().join("none")), Some("t".into())).is_err());
    }
}
