//! Secrets of tenants: from the environment, from files, and from a source of the program.

use std::{
    error::Error as StdError,
    ffi::OsString,
    fmt,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Largest secret, certificate or key that is read.
const LARGEST: u64 = 1 << 20;

type Variables = dyn Fn(&str) -> Option<OsString> + Send + Sync;
type Source = dyn Fn(&str) -> Result<String, Box<dyn StdError + Send + Sync>> + Send + Sync;

/// Place of a secret, as the file of the tenants names it.
#[derive(Clone, Debug)]
pub(super) enum SecretPlace {
    /// Variable of the environment.
    Variable(String),
    /// File that only its owner can read.
    File(PathBuf),
    /// Name in the source of the program.
    Named(String),
}

/// Sources of secrets.
#[derive(Clone)]
pub(super) struct Secrets {
    pub(super) variables: Arc<Variables>,
    pub(super) source: Option<Arc<Source>>,
}

impl Default for Secrets {
    fn default() -> Self {
        Self { variables: Arc::new(|name| std::env::var_os(name)), source: None }
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").field("has_source", &self.source.is_some()).finish_non_exhaustive()
    }
}

impl Secrets {
    /// Reads a secret. The error is a sentence without the secret.
    pub(super) fn read(&self, place: &SecretPlace) -> Result<String, String> {
        let secret = match place {
            SecretPlace::Variable(name) => match (self.variables)(name).map(OsString::into_string) {
                Some(Ok(secret)) => secret,
                Some(Err(_)) => return Err(format!("the environment variable `{name}` is not text")),
                None => return Err(format!("the environment variable `{name}` is not set; set it to the secret")),
            },
            SecretPlace::File(path) => private_file(path)?,
            SecretPlace::Named(name) => match &self.source {
                Some(source) => source(name).map_err(|error| format!("the secret `{name}` cannot be read: {error}"))?,
                None => {
                    return Err(format!(
                        "this program has no source for the secret `{name}`; use `secret_env` or `secret_file`"
                    ));
                }
            },
        };
        if secret.trim().is_empty() {
            return Err(match place {
                SecretPlace::Variable(name) => format!("the environment variable `{name}` is blank"),
                SecretPlace::File(path) => format!("the file `{}` is blank", path.display()),
                SecretPlace::Named(name) => format!("the secret `{name}` is blank"),
            });
        }
        Ok(secret)
    }
}

/// Reads a file that only its owner can read. The error is a sentence.
pub(super) fn private_file(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let failed = |error: io::Error| format!("the file `{shown}` cannot be read: {error}");
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if let Some(mode) = open_to_others(&metadata) {
        return Err(format!(
            "others than its owner can read or write the file `{shown}` (mode {mode:03o}); run `chmod 600 {shown}`"
        ));
    }
    if metadata.len() > LARGEST {
        return Err(format!("the file `{shown}` is larger than 1 MiB, so it is no secret"));
    }
    // Room for all of the file: a buffer that moves while it grows leaves parts of the secret behind.
    let room = usize::try_from(metadata.len()).unwrap_or_default().saturating_add(64);
    let mut text = String::with_capacity(room);
    file.take(LARGEST).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

/// Returns the mode of a file that others than its owner can read or write.
#[cfg(unix)]
fn open_to_others(metadata: &std::fs::Metadata) -> Option<u32> {
    let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

/// Returns `None`: the permissions of other systems are not read.
#[cfg(not(unix))]
fn open_to_others(_: &std::fs::Metadata) -> Option<u32> {
    None
}
