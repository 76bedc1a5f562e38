//! The agent of Azure Arc, which uses a file to prove that the caller runs on its machine:
//! <https://learn.microsoft.com/en-us/azure/azure-arc/servers/managed-identity-authentication>.

use std::{
    fs::{self, File},
    io::Read,
    path::{Component, Path, PathBuf},
};

use http::{HeaderMap, header::WWW_AUTHENTICATE};
use zeroize::Zeroizing;

use crate::{Error, ErrorKind, env_vars::Environment, oauth::entra_error::shown, secret::Secret};

/// Default endpoint of the agent, unless the environment names another.
const ENDPOINT: &str = "http://localhost:40342/metadata/identity/oauth2/token";

/// A larger file is no key.
const LARGEST: u64 = 4096;

/// The agent of an Arc-enabled machine.
#[derive(Clone, Debug)]
pub(super) struct Agent {
    pub(super) endpoint: String,
    /// Folder of the key files, which prove that the caller runs on this machine.
    pub(super) keys: PathBuf,
}

impl Agent {
    /// The agent at `endpoint`, or where it listens by default.
    pub(super) fn new(endpoint: Option<&str>, environment: &Environment) -> Self {
        Self { endpoint: endpoint.unwrap_or(ENDPOINT).to_owned(), keys: keys(environment, cfg!(windows)) }
    }

    /// Returns true if the agent is installed: a service on an Arc-enabled machine has none of the variables in its environment.
    pub(super) fn is_installed(environment: &Environment, is_file: impl Fn(&Path) -> bool) -> bool {
        let programs = environment.get("ProgramFiles");
        let programs = programs.as_ref().map_or(r"C:\Program Files", |programs| programs.as_str());
        let on_windows = format!(r"{programs}\AzureConnectedMachineAgent\himds.exe");
        is_file(Path::new("/opt/azcmagent/bin/himds")) || is_file(Path::new(&on_windows))
    }

    /// The key in the file that the response to the first request names.
    pub(super) fn key(&self, challenge: &HeaderMap) -> Result<Secret, Error> {
        let path = realm(challenge)
            .ok_or_else(|| Error::new(ErrorKind::Response).context("the agent of Azure Arc names no key file"))?;
        let named = shown(&path);
        let refused = |why: &str| {
            let folder = self.keys.display();
            Error::new(ErrorKind::Response)
                .context(format!("the agent of Azure Arc names the key file `{named}`, which {why}; keys are `.key` files of up to {LARGEST} bytes in `{folder}`, so check what listens in the agent's place"))
        };
        let path = Path::new(&path);
        // Before the file system is touched: a path may lead to another machine.
        if !self.holds(path) {
            return Err(refused("is not directly in the agent's folder"));
        }
        if path.extension().is_none_or(|extension| extension != "key") {
            return Err(refused("is not a `.key` file"));
        }
        let unreadable = |source: std::io::Error| {
            Error::new(ErrorKind::Configuration)
                .context(format!(
                    "the key file `{named}` of Azure Arc's agent cannot be read; run as root or as a member of the group \
                     `himds`, on Windows as an administrator or a member of `Hybrid agent extension applications`"
                ))
                .caused_by(source)
        };
        // A link in the folder may lead elsewhere.
        let (path, folder) = (path.canonicalize(), self.keys.canonicalize());
        let (path, folder) = (path.map_err(unreadable)?, folder.map_err(unreadable)?);
        if path.parent() != Some(&*folder) {
            return Err(refused("is a link that leads out of the agent's folder"));
        }
        // A pipe would never end.
        let about = fs::metadata(&path).map_err(unreadable)?;
        if !about.is_file() || about.len() > LARGEST {
            return Err(refused("is larger or no file at all"));
        }
        let mut bytes =
            Zeroizing::new(Vec::with_capacity(usize::try_from(LARGEST).unwrap_or_default().saturating_add(64)));
        File::open(&path)
            .and_then(|file| file.take(LARGEST.saturating_add(1)).read_to_end(&mut bytes))
            .map_err(unreadable)?;
        let text = std::str::from_utf8(&bytes).ok().filter(|_| bytes.len() as u64 <= LARGEST);
        let key = text.map(Secret::trimmed).filter(Secret::is_in_a_header);
        key.ok_or_else(|| refused("holds no key"))
    }

    /// Returns true if `path`, as written, is directly in the folder of keys. On Windows, letter case does not count.
    fn holds(&self, path: &Path) -> bool {
        let is_plain = |part: Component<'_>| !matches!(part, Component::ParentDir | Component::CurDir);
        let is_same = |parent: &Path| {
            let (parent, keys) = (parent.as_os_str(), self.keys.as_os_str());
            if cfg!(windows) { parent.eq_ignore_ascii_case(keys) } else { parent == keys }
        };
        path.components().all(is_plain) && path.parent().is_some_and(is_same)
    }
}

/// The folder into which the agent puts its keys.
fn keys(environment: &Environment, on_windows: bool) -> PathBuf {
    if !on_windows {
        return PathBuf::from("/var/opt/azcmagent/tokens");
    }
    let data = environment.get("ProgramData");
    let data = data.as_ref().map_or(r"C:\ProgramData", |data| data.as_str());
    PathBuf::from(format!(r"{data}\AzureConnectedMachineAgent\Tokens"))
}

/// Value of `WWW-Authenticate: Basic realm=…`.
fn realm(headers: &HeaderMap) -> Option<String> {
    let challenges =
        headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| std::str::from_utf8(value.as_bytes()).ok());
    challenges
        .filter_map(|challenge| {
            let (scheme, rest) = challenge.trim().split_once(' ')?;
            let (name, value) = rest.split_once('=')?;
            let is_it = scheme.eq_ignore_ascii_case("Basic") && name.trim().eq_ignore_ascii_case("realm");
            let value = value.trim();
            let inside = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
            is_it.then(|| inside.unwrap_or(value).to_owned())
        })
        .find(|path| !path.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(WWW_AUTHENTICATE, value.parse().unwrap())])
    }

    #[test]
    fn realm_is_read_in_each_form() {
        for (value, path) in [
            ("Basic realm=/var/opt/azcmagent/tokens/a.key", Some("/var/opt/azcmagent/tokens/a.key")),
            ("basic Realm=\"/t/a b.key\"", Some("/t/a b.key")),
            (" Basic  realm = /t/a=b.key ", Some("/t/a=b.key")),
            ("Basic realm=", None),
            ("Basic realm=\"\"", None),
            ("Bearer realm=/t/a.key", None),
            ("Basic", None),
            ("Basic charset=UTF-8", None),
        ] {
            assert_eq!(realm(&challenge(value)).as_deref(), path, "{value}");
        }
        let mut several = challenge("Negotiate");
        several.append(WWW_AUTHENTICATE, "Basic realm=/t/b.key".parse().unwrap());
        assert_eq!(realm(&several).as_deref(), Some("/t/b.key"));
        assert_eq!(realm(&HeaderMap::new()), None);
    }

    #[test]
    fn folder_of_keys_is_the_agents() {
        let none = Environment::of(&[]);
        assert_eq!(keys(&none, false), Path::new("/var/opt/azcmagent/tokens"));
        assert_eq!(keys(&none, true), Path::new(r"C:\ProgramData\AzureConnectedMachineAgent\Tokens"));
        let other = Environment::of(&[("ProgramData", r"D:\Data")]);
        assert_eq!(keys(&other, true), Path::new(r"D:\Data\AzureConnectedMachineAgent\Tokens"));
    }
}
