//! Addresses of the emulator, and clients for it.

use std::path::PathBuf;

use defender_actions::{DefenderClient, DefenderClientBuilder, ExternalIds, auth::ClientSecretCredential};
use defender_emulator::Emulator;
use serde::{Deserialize, Serialize};

/// The file that is put away: any hash will do.
pub(crate) const FILE: &str = "87662bc3d60e4200ceaf7aae249d1c343f4b83c9";

/// The emulator, as the line tells that its program prints.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Service {
    pub(crate) base_url: String,
    pub(crate) authority: String,
    pub(crate) audience: String,
    pub(crate) tenant_id: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) machine_ids: Vec<String>,
    pub(crate) ca_file: PathBuf,
}

impl Service {
    /// The emulator in this process.
    pub(crate) fn of(emulator: &Emulator) -> Self {
        Self {
            base_url: emulator.base_url().to_owned(),
            authority: emulator.authority().to_owned(),
            audience: emulator.audience().to_owned(),
            tenant_id: emulator.tenant_id().to_owned(),
            client_id: emulator.client_id().to_owned(),
            client_secret: emulator.client_secret().to_owned(),
            machine_ids: emulator.machine_ids().into_iter().map(str::to_owned).collect(),
            ca_file: PathBuf::new(),
        }
    }

    /// A client with all its defaults, but for where the service is.
    pub(crate) fn client(&self, generates_ids: bool) -> DefenderClientBuilder {
        DefenderClient::builder()
            .credential(ClientSecretCredential::new(&self.tenant_id, &self.client_id, &self.client_secret))
            .base_url(&self.base_url)
            .authority(&self.authority)
            .audience(&self.audience)
            .external_ids(if generates_ids { ExternalIds::Generated } else { ExternalIds::AsGiven })
    }
}
