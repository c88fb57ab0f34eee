//! Hashing passwords: Argon2id (RFC 9106) with the parameters that OWASP's Password Storage
//! Cheat Sheet gives first: 19 MiB of memory, two passes, one lane. Hashes are PHC strings, which
//! name their parameters, so parameters can rise later.
//!
//! Without std, because its component shall import nothing. Which texts are passwords, and in
//! which form they are hashed, is for who calls to say.
#![no_std]

extern crate alloc;

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, Version};
use core::fmt;

/// The memory that a hash takes, in KiB.
pub const MEMORY_KIB: u32 = 19_456;
/// How often it is passed over.
pub const PASSES: u32 = 2;
/// How many lanes there are.
pub const LANES: u32 = 1;
/// The length of a salt, in bytes.
pub const SALT_LENGTH: usize = 16;
/// The most bytes of a password. Who calls counts characters, of which these are enough.
pub const PASSWORD_LENGTH_MAX: usize = 2048;

const PARAMS: Params = match Params::new(MEMORY_KIB, PASSES, LANES, None) {
    Ok(params) => params,
    Err(_) => panic!("the parameters are not Argon2's"),
};

/// The salt of the work that is done when there is nothing to compare with. It need not be secret
/// or unique, because the result is thrown away.
const SALT_OF_NOBODY: &[u8; SALT_LENGTH] = b"no such handle--";

/// What became of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Not the password.
    Wrong,
    /// The password.
    Right {
        /// Whether its hash was made with weaker parameters than today's.
        outdated: bool,
    },
}

/// Nothing could be hashed: the hash is none of ours, or asks for more memory than there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault;

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the password cannot be hashed")
    }
}

impl core::error::Error for Fault {}

/// Who hashes passwords: [`Argon2id`] here, or a component of it that is called.
pub trait Hasher {
    /// Hashes a password into a PHC string.
    fn hash(&self, password: &str, salt: &[u8; SALT_LENGTH]) -> Result<String, Fault>;

    /// Compares a password with a hash. Without a hash it does the work of today's parameters and
    /// says no, so that the time taken does not tell whether there was one.
    fn verify(&self, password: &str, phc: Option<&str>) -> Result<Verdict, Fault>;
}

/// What a hash costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cost {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// How often it is passed over.
    pub passes: u32,
    /// How many lanes there are.
    pub lanes: u32,
}

impl Cost {
    /// What a hash costs today.
    pub const TODAY: Self = Self { memory_kib: MEMORY_KIB, passes: PASSES, lanes: LANES };

    /// What comparing a password with this hash, or with none, costs.
    pub fn of(phc: Option<&str>) -> Result<Self, Fault> {
        phc.map_or(Ok(Self::TODAY), |phc| Ok(Kept::read(phc)?.cost()))
    }
}

/// The hasher with the memory that it works in, which it takes once and keeps: what is hashed
/// later cannot fail for lack of it, nor scatter it.
#[derive(Debug)]
pub struct Argon2id {
    memory: Vec<Block>,
}

impl Default for Argon2id {
    fn default() -> Self {
        Self { memory: alloc::vec![Block::new(); PARAMS.block_count()] }
    }
}

impl Argon2id {
    /// As [`Hasher::hash`].
    pub fn hash(&mut self, password: &str, salt: &[u8; SALT_LENGTH]) -> Result<String, Fault> {
        let output = self.fill(&PARAMS, Version::V0x13, password, salt, Params::DEFAULT_OUTPUT_LEN)?;
        let hash = PasswordHash {
            algorithm: ARGON2ID_IDENT,
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&PARAMS).map_err(|_| Fault)?,
            salt: Some(Salt::new(salt).map_err(|_| Fault)?),
            hash: Some(output),
        };
        Ok(hash.to_string())
    }

    /// As [`Hasher::verify`].
    pub fn verify(&mut self, password: &str, phc: Option<&str>) -> Result<Verdict, Fault> {
        let Some(phc) = phc else {
            let length = Params::DEFAULT_OUTPUT_LEN;
            self.fill(&PARAMS, Version::V0x13, password, SALT_OF_NOBODY, length)?;
            return Ok(Verdict::Wrong);
        };
        let kept = Kept::read(phc)?;
        let output = self.fill(&kept.params, kept.version, password, &kept.salt, kept.output.len())?;
        // Compared in constant time, which the type does.
        if output != kept.output {
            return Ok(Verdict::Wrong);
        }
        let (cost, today) = (kept.cost(), Cost::TODAY);
        let outdated = kept.version != Version::V0x13
            || cost.memory_kib < today.memory_kib
            || cost.passes < today.passes
            || cost.lanes < today.lanes;
        Ok(Verdict::Right { outdated })
    }

    fn fill(
        &mut self,
        params: &Params,
        version: Version,
        password: &str,
        salt: &[u8],
        length: usize,
    ) -> Result<Output, Fault> {
        if password.len() > PASSWORD_LENGTH_MAX {
            return Err(Fault);
        }
        let blocks = self.memory.get_mut(..params.block_count()).ok_or(Fault)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, version, params.clone());
        let mut output = [0; Output::MAX_LENGTH];
        let output = output.get_mut(..length).ok_or(Fault)?;
        argon2
            .hash_password_into_with_memory(password.as_bytes(), salt, output, blocks)
            .map_err(|_| Fault)?;
        Output::new(output).map_err(|_| Fault)
    }
}

/// Natively a hasher has memory of its own for each password, so that threads need not wait.
#[derive(Debug, Clone, Copy, Default)]
pub struct Native;

impl Hasher for Native {
    fn hash(&self, password: &str, salt: &[u8; SALT_LENGTH]) -> Result<String, Fault> {
        Argon2id::default().hash(password, salt)
    }

    fn verify(&self, password: &str, phc: Option<&str>) -> Result<Verdict, Fault> {
        Argon2id::default().verify(password, phc)
    }
}

/// A hash that was kept.
struct Kept {
    params: Params,
    version: Version,
    salt: Salt,
    output: Output,
}

impl Kept {
    fn read(phc: &str) -> Result<Self, Fault> {
        let hash = PasswordHash::new(phc).map_err(|_| Fault)?;
        if hash.algorithm != ARGON2ID_IDENT {
            return Err(Fault);
        }
        let version = hash.version.map_or(Ok(Version::V0x13), Version::try_from).map_err(|_| Fault)?;
        let params = Params::try_from(&hash).map_err(|_| Fault)?;
        let (Some(salt), Some(output)) = (hash.salt, hash.hash) else { return Err(Fault) };
        Ok(Self { params, version, salt, output })
    }

    fn cost(&self) -> Cost {
        Cost { memory_kib: self.params.m_cost(), passes: self.params.t_cost(), lanes: self.params.p_cost() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hash of 64 KiB and one pass.
    fn weak() -> String {
        let params = Params::new(64, 1, 1, None).unwrap();
        let mut hasher = Argon2id::default();
        let output = hasher.fill(&params, Version::V0x13, "correct horse", &[7; 16], 32).unwrap();
        let params = ParamsString::try_from(&params).unwrap();
        let (salt, hash) = (Some(Salt::new(&[7; 16]).unwrap()), Some(output));
        let version = Some(Version::V0x13.into());
        PasswordHash { algorithm: ARGON2ID_IDENT, version, params, salt, hash }.to_string()
    }

    #[test]
    fn hashes_name_the_parameters_of_owasp() {
        let phc = Native.hash("correct horse", &[7; 16]).unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
        assert_eq!(Cost::of(Some(&phc)), Ok(Cost::TODAY));
        assert_eq!(Cost::of(None), Ok(Cost::TODAY), "nobody costs what somebody does");
    }

    #[test]
    fn a_password_is_what_the_crate_itself_takes_for_it() {
        use argon2::{PasswordHasher, PasswordVerifier};
        let theirs = Argon2::new(Algorithm::Argon2id, Version::V0x13, PARAMS);
        let ours = Native.hash("correct horse", &[7; 16]).unwrap();
        let made = theirs.hash_password_with_salt(b"correct horse", &[7; 16]).unwrap();
        assert_eq!(made.to_string(), ours);
        assert!(theirs.verify_password(b"correct horse", &PasswordHash::new(&ours).unwrap()).is_ok());
    }

    #[test]
    fn a_password_of_weaker_parameters_is_right_and_outdated() {
        let mut hasher = Argon2id::default();
        assert_eq!(hasher.verify("correct horse", Some(&weak())), Ok(Verdict::Right { outdated: true }));
        assert_eq!(hasher.verify("wrong horse", Some(&weak())), Ok(Verdict::Wrong));
        assert_eq!(hasher.verify("correct horse", None), Ok(Verdict::Wrong));
        let today = hasher.hash("correct horse", &[7; 16]).unwrap();
        assert_eq!(hasher.verify("correct horse", Some(&today)), Ok(Verdict::Right { outdated: false }));
    }

    #[test]
    fn a_hash_that_wants_more_memory_than_there_is_and_what_is_none_are_refused() {
        let greedy = weak().replace("m=64", "m=19460");
        let other = weak().replace("argon2id", "argon2d");
        for phc in [greedy.as_str(), other.as_str(), "$argon2id$v=19$m=64,t=1,p=1", "", "secret"] {
            assert_eq!(Native.verify("correct horse", Some(phc)), Err(Fault), "{phc}");
        }
        assert_eq!(Native.verify(&"x".repeat(PASSWORD_LENGTH_MAX + 1), None), Err(Fault));
    }
}
