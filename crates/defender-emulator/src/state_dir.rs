//! The folder that an emulator keeps from start to start.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{Error, entra::identity::Identity, listen::certificate::Pem};

/// A folder with the certificates, the port, and the ids and the secret of the tenant's application.
#[derive(Clone, Debug)]
pub(crate) struct StateDir(PathBuf);

/// The content of `emulator.json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    port: u16,
    tenant_id: String,
    client_id: String,
    client_secret: String,
}

impl StateDir {
    pub(crate) fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// The certificates that were kept; `None` at the first start.
    pub(crate) fn certificates(&self) -> Result<Option<Pem>, Error> {
        let Some(ca) = self.read("ca.pem")? else { return Ok(None) };
        let (Some(chain), Some(key)) = (self.read("cert.pem")?, self.read("key.pem")?) else { return Ok(None) };
        Ok(Some(Pem { ca, chain, key }))
    }

    /// The port and the identity that were kept; `None` at the first start.
    pub(crate) fn identity(&self) -> Result<Option<(u16, Identity)>, Error> {
        let Some(text) = self.read("emulator.json")? else { return Ok(None) };
        let kept: Kept =
            serde_json::from_str(&text).map_err(|why| Error::state_dir(&self.path("emulator.json"), why))?;
        let Kept { port, tenant_id, client_id, client_secret } = kept;
        Ok(Some((port, Identity { tenant_id, client_id, client_secret })))
    }

    /// Writes all of it for the next start. Only their owner can read the files with a key or the secret.
    pub(crate) fn keep(&self, port: u16, identity: &Identity, pem: &Pem) -> Result<(), Error> {
        std::fs::create_dir_all(&self.0).map_err(|why| Error::state_dir(&self.0, why))?;
        let Identity { tenant_id, client_id, client_secret } = identity.clone();
        let kept = serde_json::to_string_pretty(&Kept { port, tenant_id, client_id, client_secret });
        let kept = kept.map_err(|why| Error::state_dir(&self.0, why))? + "\n";
        for (name, text) in
            [("ca.pem", &pem.ca), ("cert.pem", &pem.chain), ("key.pem", &pem.key), ("emulator.json", &kept)]
        {
            let path = self.path(name);
            private(&path)
                .and_then(|mut file| file.write_all(text.as_bytes()))
                .map_err(|why| Error::state_dir(&path, why))?;
        }
        Ok(())
    }

    fn read(&self, name: &str) -> Result<Option<String>, Error> {
        let path = self.path(name);
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(why) => Err(Error::state_dir(&path, why)),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

fn private(path: &Path) -> std::io::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
