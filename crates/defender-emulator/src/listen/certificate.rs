//! The certificates: a CA that nobody trusts yet, and a leaf for the loopback.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::{AlpnProtocols, Error};

/// The certificates of the server and of its CA, and the key, as PEM.
#[derive(Clone)]
pub(crate) struct Pem {
    /// The CA that a client must trust.
    pub(crate) ca: String,
    /// The leaf, and what stands between it and the CA.
    pub(crate) chain: String,
    pub(crate) key: String,
}

impl Pem {
    /// A CA of its own, and a leaf that it signed. The CA's key is thrown away.
    ///
    /// The leaf has an authority key identifier: Python from 3.13 on sets `VERIFY_X509_STRICT`, which asks for one.
    pub(crate) fn generate() -> Result<Self, Error> {
        let mut params = named("defender-emulator CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let ca_key = KeyPair::generate().map_err(Error::tls)?;
        let ca = params.self_signed(&ca_key).map_err(Error::tls)?;
        let issuer = Issuer::new(params, ca_key);

        let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
        let mut params = CertificateParams::new(names).map_err(Error::tls)?;
        params.distinguished_name = named("defender-emulator").distinguished_name;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let leaf_key = KeyPair::generate().map_err(Error::tls)?;
        let leaf = params.signed_by(&leaf_key, &issuer).map_err(Error::tls)?;
        Ok(Self { ca: ca.pem(), chain: leaf.pem(), key: leaf_key.serialize_pem() })
    }

    /// As the server takes it, with these versions of HTTP on offer.
    pub(crate) fn server(&self, offer: AlpnProtocols) -> Result<Arc<ServerConfig>, Error> {
        let chain = CertificateDer::pem_slice_iter(self.chain.as_bytes()).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(Error::certificate)?;
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).map_err(Error::certificate)?;
        // The provider is named here, so that no default of the process is asked for or installed.
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(Error::tls)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(Error::certificate)?;
        tls.alpn_protocols = offer.protocols();
        Ok(Arc::new(tls))
    }
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}
