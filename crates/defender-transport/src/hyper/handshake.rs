//! Reasons of a failed handshake, and whether another one would fail too.

use std::error::Error as StdError;

use rustls::{AlertDescription, CertificateError};

use super::causes::chain;

/// Reason of a failed handshake, if TLS itself states it.
pub(crate) fn words(error: &(dyn StdError + 'static)) -> Option<&'static str> {
    use CertificateError as Bad;
    let error = chain(error).find_map(|error| error.downcast_ref::<rustls::Error>())?;
    Some(match error {
        rustls::Error::InvalidCertificate(bad) => match bad {
            Bad::Expired | Bad::ExpiredContext { .. } => {
                "the server's certificate has expired; check this machine's clock, and who stands in between"
            }
            Bad::NotValidYet | Bad::NotValidYetContext { .. } => {
                "the server's certificate is not valid yet; check this machine's clock"
            }
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
                "the server's certificate is for another host; check the URL, and who stands in between"
            }
            Bad::UnknownIssuer => {
                "the server's certificate comes from a CA that is not trusted; where a proxy inspects TLS, add its CA to the roots"
            }
            Bad::BadSignature => "the server's certificate was not signed by the CA that it names",
            Bad::Revoked => "the server's certificate has been revoked",
            _ => "the server's certificate is not acceptable",
        },
        rustls::Error::AlertReceived(alert) => alert_words(*alert),
        rustls::Error::PeerIncompatible(_) => "the server speaks no TLS that both sides know",
        rustls::Error::InvalidMessage(_) | rustls::Error::InappropriateMessage { .. } => {
            "the server speaks no TLS; check scheme and port of the URL"
        }
        _ => "the TLS handshake failed",
    })
}

/// Returns true if another handshake would fail in the same way: with this server, these roots and this identity.
pub(crate) fn is_permanent(error: &(dyn StdError + 'static)) -> bool {
    let Some(error) = chain(error).find_map(|error| error.downcast_ref::<rustls::Error>()) else { return false };
    match error {
        rustls::Error::InvalidCertificate(_)
        | rustls::Error::NoCertificatesPresented
        | rustls::Error::UnsupportedNameType
        | rustls::Error::PeerIncompatible(_)
        | rustls::Error::PeerMisbehaved(_)
        | rustls::Error::InvalidMessage(_)
        | rustls::Error::InappropriateMessage { .. }
        | rustls::Error::InappropriateHandshakeMessage { .. } => true,
        // A server in trouble, or one that is shutting down, may do better the next time.
        rustls::Error::AlertReceived(alert) => !matches!(
            alert,
            AlertDescription::InternalError
                | AlertDescription::UserCanceled
                | AlertDescription::CloseNotify
                | AlertDescription::NoRenegotiation
                | AlertDescription::BadRecordMac
                | AlertDescription::DecryptError
        ),
        _ => false,
    }
}

/// A server's alert about the client's certificate, once the handshake was over for the client: in TLS 1.3 it is so before
/// it is for the server.
///
/// h2 hands on no more than its text.
pub(crate) fn alert_about_client(error: &(dyn StdError + 'static)) -> Option<ClientAlert> {
    let alert = match error.downcast_ref::<rustls::Error>() {
        Some(rustls::Error::AlertReceived(alert)) => *alert,
        Some(_) => return None,
        None => {
            let text = error.to_string();
            let said = |alert: &&AlertDescription| rustls::Error::AlertReceived(**alert).to_string() == text;
            *ABOUT_THE_CLIENT.iter().find(said)?
        }
    };
    match alert {
        // It can only come from the handshake: asking for a certificate later is an extension that rustls does not offer.
        AlertDescription::CertificateRequired => Some(ClientAlert::Required),
        alert => ABOUT_THE_CLIENT.contains(&alert).then_some(ClientAlert::Refused),
    }
}

/// Alert of a server about the client's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientAlert {
    /// It demands one and was given none.
    Required,
    /// The one that it was given will not do. Such an alert might come later than the handshake, too.
    Refused,
}

/// The alerts by which a server speaks of the client's certificate, or of none.
const ABOUT_THE_CLIENT: [AlertDescription; 8] = [
    AlertDescription::CertificateRequired,
    AlertDescription::BadCertificate,
    AlertDescription::UnsupportedCertificate,
    AlertDescription::CertificateRevoked,
    AlertDescription::CertificateExpired,
    AlertDescription::CertificateUnknown,
    AlertDescription::UnknownCA,
    AlertDescription::AccessDenied,
];

fn alert_words(alert: AlertDescription) -> &'static str {
    match alert {
        AlertDescription::CertificateRequired => {
            "the server demands a client certificate, and was given none; set a client identity"
        }
        alert if ABOUT_THE_CLIENT.contains(&alert) => {
            "the server refuses the client's certificate; check that it has not expired and is the right one"
        }
        _ => "the server speaks no TLS that both sides know",
    }
}
