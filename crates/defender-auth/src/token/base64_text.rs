//! Base64 as it is met in tokens and challenges: either alphabet, padded or not.

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use zeroize::Zeroizing;

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Decodes `text`; `None` if it is not base64.
pub(crate) fn decoded(text: &str) -> Option<Vec<u8>> {
    // It may be a key's, of which a text that grows would leave parts behind.
    let mut standard = Zeroizing::new(String::with_capacity(text.len()));
    standard.extend(text.chars().map(|c| match c {
        '-' => '+',
        '_' => '/',
        other => other,
    }));
    LENIENT.decode(standard.trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_alphabet_is_read_padded_or_not() {
        for text in ["+/8=", "+/8", "-_8=", "-_8", " -_8\n"] {
            assert_eq!(decoded(text).as_deref(), Some(&[0xfb, 0xff][..]), "{text}");
        }
        assert_eq!(decoded("not base64!"), None);
    }
}
