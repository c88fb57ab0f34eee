//! An operator's key as `nsupdate` reads it, so that it signs updates with SIG(0) (RFC 2931).

use crate::key::Key;
use crate::output;
use crate::world::export::whole_file;
use anyhow::{Context, ensure};
use base64ct::{Base64, Encoding};
use clap::Args;
use domain::base::Name;
use domain::base::iana::SecurityAlgorithm;
use domain::rdata::Dnskey;
use std::path::{Path, PathBuf};

/// The flags of a key that is not a zone's (RFC 2535, section 3.1.2): one of a host.
const HOST: u16 = 0x0200;
/// RFC 4034, section 2.1.2.
const PROTOCOL: u8 = 3;
/// ECDSA on P-256 with SHA-256 (RFC 6605).
const ALGORITHM: SecurityAlgorithm = SecurityAlgorithm::ECDSAP256SHA256;

/// What `vwp key nsupdate` is given.
#[derive(Debug, Args)]
pub struct NsupdateArguments {
    /// The name of a world of the operator's in DNS, such as arena.vwp.test
    #[arg(long)]
    name: String,
    /// The operator's key file
    file: PathBuf,
    /// The folder for the two files
    #[arg(default_value = ".")]
    folder: PathBuf,
}

pub(crate) fn run(arguments: &NsupdateArguments) -> anyhow::Result<()> {
    let key = Key::load(&arguments.file)?;
    let file = write(&key, &arguments.name, &arguments.folder)?;
    output::line(&file.display().to_string())
}

/// Writes the key as the two files that BIND's programs know it by: `K<name>.+013+<tag>`
/// with `.key` and `.private`. Gives out the latter.
pub fn write(key: &Key, name: &str, folder: &Path) -> anyhow::Result<PathBuf> {
    let name: Name<Vec<u8>> =
        Name::vec_from_str(name).with_context(|| format!("{name} is not a name in DNS"))?;
    let owner = name.to_string().to_ascii_lowercase();
    // The name becomes one of a file.
    ensure!(!owner.contains(['/', '\\']), "{owner} cannot be the name of a file");
    let point = key.as_ref().verifying_key().to_sec1_point(false);
    // RFC 6605, section 4: the coordinates without the byte that says so.
    let public = point.as_bytes().get(1..).unwrap_or_default().to_vec();
    let record = Dnskey::new(HOST, PROTOCOL, ALGORITHM, public).context("the public key is too long")?;
    let base = format!("K{owner}.+013+{:05}", record.key_tag());
    let public =
        format!("{owner}. IN KEY {HOST} {PROTOCOL} 13 {}\n", Base64::encode_string(record.public_key()));
    let private = format!(
        "Private-key-format: v1.3\nAlgorithm: 13 (ECDSAP256SHA256)\nPrivateKey: {}\n",
        Base64::encode_string(&key.as_ref().to_bytes())
    );
    let file = folder.join(format!("{base}.private"));
    // Files appear with mode 0600.
    whole_file(&folder.join(format!("{base}.key")), |file| Ok(file.write_all(public.as_bytes())?))?;
    whole_file(&file, |file| Ok(file.write_all(private.as_bytes())?))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_are_named_and_written_as_other_programs_expect() {
        let folder = tempfile::tempdir().unwrap();
        let key = Key::generate().unwrap();
        let private = write(&key, "Arena.vwp.test", folder.path()).unwrap();
        let name = private.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with("Karena.vwp.test.+013+") && name.ends_with(".private"), "{name}");
        let text = std::fs::read_to_string(&private).unwrap();
        assert!(text.contains("Algorithm: 13 (ECDSAP256SHA256)\nPrivateKey: "), "{text}");
        let text = std::fs::read_to_string(private.with_extension("key")).unwrap();
        assert!(text.starts_with("arena.vwp.test. IN KEY 512 3 13 "), "{text}");
        assert!(write(&key, "../etc", folder.path()).is_err());
    }
}
