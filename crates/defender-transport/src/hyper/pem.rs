//! Certificates and keys from PEM, as files have them.

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

const BEGIN: &str = "-----BEGIN ";
const DASHES: &str = "-----";

/// Content of a bundle.
#[derive(Debug, Default)]
pub(crate) struct Bundle {
    /// The certificates as DER, in their order.
    pub(crate) certificates: Vec<Vec<u8>>,
    /// Number of certificate blocks that cannot be read.
    pub(crate) broken: usize,
}

impl Bundle {
    /// Reads every block of a certificate: `CERTIFICATE`, the older `X509 CERTIFICATE`, and OpenSSL's `TRUSTED CERTIFICATE`,
    /// without its statements about trust. Text between blocks, blocks of other kinds and a byte order mark are passed over.
    pub(crate) fn read(pem: &[u8]) -> Self {
        let text = String::from_utf8_lossy(pem);
        let mut bundle = Self::default();
        let mut rest = &*text;
        while let Some((_, after)) = rest.split_once(BEGIN) {
            rest = after;
            let Some((label, block)) = after.split_once(DASHES) else { break };
            let is_trusted = label == "TRUSTED CERTIFICATE";
            if !is_trusted && !matches!(label, "CERTIFICATE" | "X509 CERTIFICATE") {
                continue;
            }
            // A block without an end reaches to the next one, which is not lost with it.
            let body = block.split_once(BEGIN).map_or(block, |(body, _)| body);
            let body = body.split_once(&format!("-----END {label}-----")).map(|(body, _)| body);
            match body.and_then(|body| decoded(body, is_trusted)) {
                Some(certificate) => bundle.certificates.push(certificate),
                None => bundle.broken = bundle.broken.saturating_add(1),
            }
        }
        bundle
    }
}

/// The label of the first private key, and the key as DER. It is read here, since pki-types' own reader wipes nothing.
pub(crate) fn private_key(pem: &[u8]) -> Option<(String, Zeroizing<Vec<u8>>)> {
    let text = Zeroizing::new(String::from_utf8_lossy(pem).into_owned());
    let mut blocks = text.split(BEGIN).skip(1).filter_map(|block| block.split_once(DASHES));
    let (label, rest) = blocks.find(|(label, _)| label.ends_with("PRIVATE KEY"))?;
    let (body, _) = rest.split_once("-----END ")?;
    let mut digits = Zeroizing::new(String::with_capacity(body.len()));
    digits.extend(body.chars().filter(|char| !char.is_whitespace()));
    let der = Zeroizing::new(LENIENT.decode(digits.as_bytes()).ok()?);
    element(&der).is_some().then(|| (label.to_owned(), der))
}

fn decoded(body: &str, is_trusted: bool) -> Option<Vec<u8>> {
    let text: String = body.chars().filter(|char| !char.is_whitespace()).collect();
    let mut der = LENIENT.decode(text).ok()?;
    let length = element(&der)?;
    if is_trusted {
        der.truncate(length); // What follows the certificate says for what it is trusted.
    }
    (der.len() == length).then_some(der)
}

/// Length of the sequence at the beginning in bytes, with its head; `None` if it is not a sequence, or not whole.
pub(crate) fn element(der: &[u8]) -> Option<usize> {
    let length = match *der {
        [0x30, short, ..] if short < 0x80 => usize::from(short).checked_add(2)?,
        [0x30, 0x81, a, ..] => usize::from(a).checked_add(3)?,
        [0x30, 0x82, a, b, ..] => usize::from(u16::from_be_bytes([a, b])).checked_add(4)?,
        [0x30, 0x83, a, b, c, ..] => usize::try_from(u32::from_be_bytes([0, a, b, c])).ok()?.checked_add(5)?,
        _ => return None,
    };
    (length <= der.len()).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(label: &str, body: &str) -> String {
        format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
    }

    #[test]
    fn first_private_key_is_found() {
        let key = LENIENT.encode([0x30, 2, 5, 0]);
        let read = |pem: &str| private_key(pem.as_bytes()).map(|(label, der)| (label, der.to_vec()));
        for (pem, label) in [
            (block("PRIVATE KEY", &key), Some("PRIVATE KEY")),
            (format!("\u{feff}{}", block("RSA PRIVATE KEY", &key).replace('\n', "\r\n")), Some("RSA PRIVATE KEY")),
            (
                block("CERTIFICATE", &key) + &block("EC PRIVATE KEY", &key) + &block("PRIVATE KEY", &key),
                Some("EC PRIVATE KEY"),
            ),
            (block("PUBLIC KEY", &key), None),
            (block("PRIVATE KEY", "no base64!"), None),
            (block("PRIVATE KEY", &LENIENT.encode([0x30, 9, 5, 0])), None),
            (format!("-----BEGIN PRIVATE KEY-----\n{key}"), None),
            (String::new(), None),
        ] {
            assert_eq!(read(&pem), label.map(|label| (label.to_owned(), vec![0x30, 2, 5, 0])), "{pem}");
        }
    }

    #[test]
    fn every_readable_bundle_certificate_is_found() {
        let one = LENIENT.encode([0x30, 2, 5, 0]);
        let trusted = LENIENT.encode([0x30, 2, 5, 0, 0x30, 2, 6, 0]);
        let good = block("CERTIFICATE", &one);
        for (bundle, found, broken) in [
            (good.clone(), 1, 0),
            (format!("\u{feff}{good}"), 1, 0),
            (format!("# Issuer: x\r\n{}\r\nmore\r\n{good}", good.replace('\n', "\r\n")), 2, 0),
            (format!("{}{good}", block("CERTIFICATE", "no base64!")), 1, 1),
            (format!("{good}{}{good}", block("CERTIFICATE", &LENIENT.encode([0x30, 9, 5, 0]))), 2, 1),
            (format!("{good}-----BEGIN CERTIFICATE-----\n{one}\n{good}"), 2, 1),
            (format!("{good}-----BEGIN CERTIFICATE-----\n{one}"), 1, 1),
            (format!("-----BEGIN CERTIFICATE-----\n{one}\n-----END X-----\n{good}"), 1, 1),
            (block("TRUSTED CERTIFICATE", &trusted), 1, 0),
            (block("CERTIFICATE", &trusted), 0, 1),
            (block("X509 CERTIFICATE", &one), 1, 0),
            (block("PRIVATE KEY", &one) + &block("X509 CRL", &one) + &good, 1, 0),
            (String::new(), 0, 0),
            ("-----BEGIN ".to_owned(), 0, 0),
            ("-----BEGIN CERTIFICATE-----".to_owned(), 0, 1),
        ] {
            let read = Bundle::read(bundle.as_bytes());
            assert_eq!((read.certificates.len(), read.broken), (found, broken), "{bundle}");
            assert!(read.certificates.iter().all(|certificate| *certificate == [0x30, 2, 5, 0]));
        }
        let latin = [b"# Z\xfcrich\n", good.as_bytes()].concat();
        assert_eq!(Bundle::read(&latin).certificates.len(), 1);
    }
}
