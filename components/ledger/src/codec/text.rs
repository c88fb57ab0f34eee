//! Text in a field of fixed size.

use super::Malformed;

/// UTF-8 text of at most `N` bytes, padded with zeros; it has no NUL inside.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Text<const N: usize>([u8; N]);

impl<const N: usize> Text<N> {
    /// No text.
    pub const EMPTY: Self = Self([0; N]);

    /// The text, if it fits and has no NUL.
    pub fn new(text: &str) -> Option<Self> {
        Self::concat(&[text])
    }

    /// The texts one after the other, if they fit and have no NUL.
    pub fn concat(texts: &[&str]) -> Option<Self> {
        let mut bytes = [0; N];
        let mut length = 0_usize;
        for text in texts {
            let end = length.checked_add(text.len())?;
            bytes.get_mut(length..end)?.copy_from_slice(text.as_bytes());
            length = end;
        }
        (!bytes.iter().take(length).any(|&byte| byte == 0)).then_some(Self(bytes))
    }

    /// Reads a field.
    pub fn from_bytes(bytes: [u8; N]) -> Result<Self, Malformed> {
        let text = Self(bytes);
        let padding = bytes.iter().skip(text.length());
        if padding.into_iter().any(|&byte| byte != 0) || core::str::from_utf8(text.used()).is_err() {
            return Err(Malformed::Field);
        }
        Ok(text)
    }

    /// The whole field.
    pub fn bytes(&self) -> &[u8; N] {
        &self.0
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        // Both constructors have checked that it is UTF-8.
        core::str::from_utf8(self.used()).unwrap_or_default()
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.length() == 0
    }

    fn length(&self) -> usize {
        self.0.iter().position(|&byte| byte == 0).unwrap_or(N)
    }

    fn used(&self) -> &[u8] {
        self.0.get(..self.length()).unwrap_or_default()
    }
}

impl<const N: usize> core::fmt::Debug for Text<N> {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.as_str().fmt(formatter)
    }
}
