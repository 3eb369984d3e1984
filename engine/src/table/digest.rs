//! Content digests (BLAKE3, 256 bits) and the tagged way in which values enter them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A content digest; prints as 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Digest of plain bytes, as for the contents of a file.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first 12 hex digits, for people.
    pub fn short(&self) -> String {
        self.to_string()[..12].to_owned()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({})", self.short())
    }
}

impl FromStr for Digest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let hash = blake3::Hash::from_hex(text).map_err(|e| format!("not a digest: {e}"))?;
        Ok(Self(*hash.as_bytes()))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// Builds a digest out of named, length-framed fields, so that no two different lists of fields
/// can run together into the same bytes.
pub struct Digester(blake3::Hasher);

impl Digester {
    /// `domain` keeps digests of different kinds of thing apart.
    pub fn new(domain: &str) -> Self {
        let mut digester = Self(blake3::Hasher::new());
        digester.frame(domain.as_bytes());
        digester
    }

    fn frame(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    #[must_use]
    pub fn field(mut self, name: &str, bytes: &[u8]) -> Self {
        self.push(name, bytes);
        self
    }

    pub fn push(&mut self, name: &str, bytes: &[u8]) {
        self.frame(name.as_bytes());
        self.frame(bytes);
    }

    /// Bytes of a known length, unframed: the caller has pushed the length.
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub fn finish(self) -> Digest {
        Digest(*self.0.finalize().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_do_not_run_together() {
        let split = Digester::new("t").field("a", b"bc").finish();
        let moved = Digester::new("t").field("ab", b"c").finish();
        let other_domain = Digester::new("u").field("a", b"bc").finish();
        assert_ne!(split, moved);
        assert_ne!(split, other_domain);
    }

    #[test]
    fn prints_and_parses() {
        let digest = Digest::of_bytes(b"trommel");
        assert_eq!(digest.to_string().parse::<Digest>(), Ok(digest));
        assert!("xyz".parse::<Digest>().is_err());
    }
}
