//! The certificates of one start: a CA that nobody trusts yet, and a leaf for the loopback.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};

use crate::{Error, HttpOffer};

/// The certificates of one start.
pub(crate) struct Certificates {
    /// What a client must trust, as PEM.
    pub(crate) ca_pem: String,
    /// What the server shows.
    pub(crate) tls: Arc<ServerConfig>,
}

impl Certificates {
    /// Makes them anew, with these versions of HTTP on offer.
    pub(crate) fn generate(offer: HttpOffer) -> Result<Self, Error> {
        let mut params = named("defender-emulator CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let ca_key = KeyPair::generate().map_err(Error::tls)?;
        let ca = params.self_signed(&ca_key).map_err(Error::tls)?;
        let issuer = Issuer::new(params, ca_key);

        let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
        let mut params = CertificateParams::new(names).map_err(Error::tls)?;
        params.distinguished_name = named("defender-emulator").distinguished_name;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let leaf_key = KeyPair::generate().map_err(Error::tls)?;
        let leaf = params.signed_by(&leaf_key, &issuer).map_err(Error::tls)?;

        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(leaf_key.serialize_der()));
        // The provider is named here, so that no default of the process is asked for or installed.
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(Error::tls)?
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key)
            .map_err(Error::tls)?;
        tls.alpn_protocols = offer.protocols();
        Ok(Self { ca_pem: ca.pem(), tls: Arc::new(tls) })
    }
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}
