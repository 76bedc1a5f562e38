//! File in which a platform writes the token of a workload.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use crate::{Error, ErrorKind, secret::Secret};

/// A token's file is small.
const LARGEST: u64 = 1 << 20;

/// Location of the platform's token.
#[derive(Debug)]
pub(crate) struct TokenFile(PathBuf);

impl TokenFile {
    /// The file at `path`. Nothing is read.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// The token that is in it now.
    pub(crate) fn read(&self) -> Result<Secret, Error> {
        let path = self.0.display();
        let wrong =
            |what: &str| Error::new(ErrorKind::Configuration).context(format!("the token file `{path}` {what}"));
        let bytes = bytes(&self.0).map_err(|source| wrong("cannot be read").caused_by(source))?;
        let text = std::str::from_utf8(&bytes).map_err(|_| wrong("is not text"))?;
        let token = text.trim_start_matches('\u{feff}').trim();
        if token.is_empty() {
            return Err(wrong("is empty"));
        }
        if token.contains(|c: char| c.is_whitespace() || c.is_control()) || bytes.len() as u64 >= LARGEST {
            return Err(wrong("holds more than one token"));
        }
        Ok(Secret::new(token))
    }
}

fn bytes(path: &Path) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let file = File::open(path)?;
    // Room for all of it and for a look behind its end: a buffer that moves while it grows leaves parts of its content behind.
    let room = usize::try_from(file.metadata()?.len().min(LARGEST)).unwrap_or_default().saturating_add(64);
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    file.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}
