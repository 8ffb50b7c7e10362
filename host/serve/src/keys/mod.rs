//! Who may ask, and how much: keys by their hashes, daily limits, quotas.
//!
//! The file of keys is TOML and holds no key, only hashes; a key is 192 random bits, so a plain SHA-256 cannot be searched:
//!
//! ```toml
//! [[key]]
//! name = "alice"
//! sha256 = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
//! requests_per_day = 1000     # left out: no limit
//! tokens_per_day = 100000
//! tokens_quota = 5000000      # over all days; when it is spent, answers are 402
//! ```

mod usage;

pub use usage::{Refusal, Ticket, Usage, UsageError, reset_s};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::sync::Arc;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

/// Begins every key, so that people and secret scanners recognise one.
const KEY_PREFIX: &str = "lpu_";
const KEY_BYTES: usize = 24;

/// One key, as the file holds it.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// Names the holder in logs and in the usage file.
    pub name: String,
    /// SHA-256 of the key in hexadecimal digits.
    pub sha256: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_day: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_day: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_quota: Option<u64>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    #[serde(default)]
    key: Vec<Key>,
}

/// Why a file of keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("cannot read the keys in {path}: {source}")]
    Unreadable { path: String, source: std::io::Error },
    #[error("{path} is no file of keys: {}. Write entries with `lpu key NAME >> FILE`", lpu_model::text::plain(.source))]
    Form { path: String, source: Box<toml::de::Error> },
    #[error(
        "the key `{name}` in {path} has the hash `{found}`; expected 64 hexadecimal digits: make a key with `lpu key NAME`"
    )]
    Hash { path: String, name: String, found: String },
    #[error("two keys in {path} are named `{name}`; expected one: usage is counted by name")]
    Twice { path: String, name: String },
    #[error("{path} holds no key, so that nobody could ask anything; add one with `lpu key NAME >> FILE`")]
    Empty { path: String },
}

/// All keys.
pub struct Keys {
    keys: Vec<(Arc<Key>, [u8; 32])>,
}

impl Keys {
    /// Reads a file of keys.
    ///
    /// # Errors
    /// When the file cannot be read, or an entry cannot be used.
    pub fn open(path: &Path) -> Result<Self, KeyError> {
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|source| KeyError::Unreadable { path: shown.clone(), source })?;
        Self::parse(&shown, &text)
    }

    fn parse(path: &str, text: &str) -> Result<Self, KeyError> {
        let path = || path.to_owned();
        let file: KeyFile = toml::from_str(text)
            .map_err(|source| KeyError::Form { path: path(), source: Box::new(source) })?;
        let mut keys: Vec<(Arc<Key>, [u8; 32])> = Vec::new();
        for key in file.key {
            let Key { name, sha256, .. } = &key;
            let hash = bytes_of_hex(sha256).ok_or_else(|| KeyError::Hash {
                path: path(),
                name: name.clone(),
                found: sha256.clone(),
            })?;
            if keys.iter().any(|(other, _)| other.name == *name) {
                return Err(KeyError::Twice { path: path(), name: name.clone() });
            }
            keys.push((Arc::new(key), hash));
        }
        if keys.is_empty() { Err(KeyError::Empty { path: path() }) } else { Ok(Self { keys }) }
    }

    /// The key with this text. All hashes are compared in full, whether or not one has matched.
    pub fn find(&self, secret: &str) -> Option<&Arc<Key>> {
        let hash: [u8; 32] = Sha256::digest(secret.as_bytes()).into();
        let mut found = 0u64;
        for (number, (_, known)) in (1u64..).zip(&self.keys) {
            let same: Choice = known[..].ct_eq(&hash[..]);
            found = u64::conditional_select(&found, &number, same);
        }
        let place = usize::try_from(found).ok()?.checked_sub(1)?;
        self.keys.get(place).map(|(key, _)| key)
    }
}

/// Makes a key: what its holder sends, and the entry for the file.
pub fn create(
    name: &str,
    requests_per_day: Option<u64>,
    tokens_per_day: Option<u64>,
    tokens_quota: Option<u64>,
) -> (String, String) {
    let random: [u8; KEY_BYTES] = rand::random();
    let secret = format!("{KEY_PREFIX}{}", hex(&random));
    let sha256 = hex(&Sha256::digest(secret.as_bytes()));
    let key = Key { name: name.into(), sha256, requests_per_day, tokens_per_day, tokens_quota };
    let entry = toml::to_string(&KeyFile { key: vec![key] }).unwrap_or_default();
    (secret, entry)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes_of_hex(digits: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[2 * place..2 * place + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_key_is_found_by_its_text_alone() {
        let (secret, entry) = create("alice", Some(5), None, None);
        let (other, second) = create("bob", None, None, None);
        let keys = Keys::parse("keys.toml", &format!("{entry}\n{second}")).expect("entries are sound");
        assert!(!entry.contains(&secret), "the file must not hold the key");
        assert_eq!(
            keys.find(&secret).map(|key| (key.name.as_str(), key.requests_per_day)),
            Some(("alice", Some(5)))
        );
        assert_eq!(keys.find(&other).map(|key| key.name.as_str()), Some("bob"));
        for wrong in ["", "lpu_", &secret[1..], &format!("{secret}0")] {
            assert!(keys.find(wrong).is_none(), "{wrong:?}");
        }
    }

    #[test]
    fn entries_that_cannot_be_used_are_named() {
        let refused =
            |text: &str| Keys::parse("k", text).err().map(|error| error.to_string()).unwrap_or_default();
        assert_eq!(
            refused(""),
            "k holds no key, so that nobody could ask anything; add one with `lpu key NAME >> FILE`"
        );
        assert_eq!(
            refused("[[key]]\nname='a'\nsha256='12'"),
            "the key `a` in k has the hash `12`; expected 64 hexadecimal digits: make a key with `lpu key NAME`"
        );
        let entry = create("a", None, None, None).1;
        assert!(refused(&format!("{entry}{entry}")).starts_with("two keys in k are named `a`"));
        assert!(refused("[[key]]\nnam='a'").contains("unknown field `nam`"));
    }
}
