//! The reader of a file of tenants.

use std::{error::Error as StdError, ffi::OsString, fmt, fs, path::Path, sync::Arc};

use defender_actions::{
    DefenderClient, DefenderClientBuilder, JournalBody,
    auth::{Cloud, DeviceCodePrompt, Region},
    transport::Transport,
};

use super::{
    credential::{Credential, Person, not_a_guid},
    secret::Secrets,
    shared_transport::SharedTransport,
    table::{Source, Table},
    tenant::{Tenant, Tenants},
};
use crate::{Error, ErrorKind};

/// Fields of a tenant.
const FIELDS: &[&str] = &[
    "tenant_id",
    "client_id",
    "credential",
    "secret_env",
    "secret_file",
    "secret_name",
    "certificate_file",
    "password_env",
    "password_file",
    "password_name",
    "send_chain",
    "system_assigned",
    "token_file",
    "cloud",
    "region",
    "base_url",
    "authority",
    "audience",
    "journal_body",
];

type Settings = dyn Fn(DefenderClientBuilder) -> DefenderClientBuilder + Send + Sync;

/// Reader of a file of tenants.
///
/// ```toml
/// allow = ["contoso"]                       # optional: no other tenant may be used
///
/// [tenants.contoso]
/// tenant_id = "7e4a47d0-0000-4000-8000-000000000001"
/// client_id = "c11e47d0-0000-4000-8000-000000000002"
/// credential = "client-secret"
/// secret_env = "CONTOSO_DEFENDER_SECRET"    # the name of a variable, and never the secret itself
///
/// [tenants.fabrikam]
/// tenant_id = "7e4a47d0-0000-4000-8000-000000000003"
/// client_id = "c11e47d0-0000-4000-8000-000000000004"
/// credential = "certificate"
/// certificate_file = "fabrikam.pem"         # beside this file; certificate and key
/// cloud = "gcc-high"
/// ```
///
/// | field | value |
/// |---|---|
/// | `tenant_id`, `client_id` | GUIDs. `client_id` is not needed with `azure-cli` |
/// | `credential` | `client-secret`, `certificate`, `managed-identity`, `workload-identity`, `azure-cli`, `device-code` or `browser` (feature `browser`) |
/// | `secret_env`, `secret_file` or `secret_name` | place of a client secret: a variable, a file that only its owner can read, or a name for the [`secret_source`](Self::secret_source) |
/// | `certificate_file` | PEM with certificate and key, which only its owner can read |
/// | `password_env`, `password_file` or `password_name` | place of the password of the key, if it has one (feature `encrypted-keys`) |
/// | `send_chain` | `true` to send all certificates of the PEM |
/// | `system_assigned` | `true` for the own identity of a machine; `client_id` is then that of this identity |
/// | `token_file` | file with the token of a workload |
/// | `cloud` | `public` (the default), `gcc`, `gcc-high` or `dod` |
/// | `region` | `us`, `eu`, `uk`, `au`, `swa`, `ina` or `aea`, in the public cloud |
/// | `base_url`, `authority`, `audience` | other addresses than those of the cloud |
/// | `journal_body` | `full` (the default), or `hash` for a journal without the bodies of requests: see [`JournalBody`]. The plan of a run still has them |
///
/// Names of tenants are exact, and there is no default tenant. An unknown field is an error with its line, and a field such as
/// `client_secret` is refused: no secret stands in the file. A value of the file is never part of an error. Secrets are read when the
/// client of a tenant is built, at the first use of the tenant.
///
/// All tenants share one transport with its connections.
#[derive(Clone, Default)]
#[must_use]
pub struct TenantsFile {
    secrets: Secrets,
    transport: SharedTransport,
    settings: Option<Arc<Settings>>,
    person: Person,
}

impl TenantsFile {
    /// Creates the reader.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the source of the secrets that the file names by `secret_name` and `password_name`, such as the keyring of the system.
    ///
    /// ```
    /// use std::collections::HashMap;
    ///
    /// use defender_fleet::TenantsFile;
    ///
    /// let keyring = HashMap::from([("contoso", "secret")]);
    /// let file = TenantsFile::new().secret_source(move |name| {
    ///     keyring.get(name).map(ToString::to_string).ok_or_else(|| "the keyring does not have it".into())
    /// });
    /// ```
    pub fn secret_source(
        mut self,
        source: impl Fn(&str) -> Result<String, Box<dyn StdError + Send + Sync>> + Send + Sync + 'static,
    ) -> Self {
        self.secrets.source = Some(Arc::new(source));
        self
    }

    /// Sets the variables in place of those of the process.
    pub fn variables(mut self, look_up: impl Fn(&str) -> Option<OsString> + Send + Sync + 'static) -> Self {
        self.secrets.variables = Arc::new(look_up);
        self
    }

    /// Sets the transport of all tenants. Default: one `HyperTransport` (feature `hyper`).
    pub fn transport(mut self, transport: impl Transport + 'static) -> Self {
        self.transport = SharedTransport::of(transport);
        self
    }

    /// Sets further settings of the client of each tenant, such as an observer or time limits.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let file = defender_fleet::TenantsFile::new().client_settings(|builder| builder.total_timeout(Duration::from_secs(600)));
    /// ```
    pub fn client_settings(
        mut self,
        settings: impl Fn(DefenderClientBuilder) -> DefenderClientBuilder + Send + Sync + 'static,
    ) -> Self {
        self.settings = Some(Arc::new(settings));
        self
    }

    /// Sets the prompt for the person who signs in to a tenant with the credential `device-code`.
    pub fn device_code_prompt(mut self, prompt: impl Fn(&DeviceCodePrompt) + Send + Sync + 'static) -> Self {
        self.person.prompt = Some(Arc::new(prompt));
        self
    }

    /// Sets how a browser is opened for the person who signs in to a tenant with the credential `browser`. The page comes back to this
    /// host on loopback.
    #[cfg(feature = "browser")]
    pub fn browser(mut self, open: impl Fn(&str) -> std::io::Result<()> + Send + Sync + 'static) -> Self {
        self.person.browser = Some(Arc::new(open));
        self
    }

    /// Reads a file. Paths in it are relative to its folder.
    ///
    /// # Errors
    ///
    /// [`Configuration`](ErrorKind::Configuration), with the line.
    pub fn read(&self, path: impl AsRef<Path>) -> Result<Tenants, Error> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let text = fs::read_to_string(path).map_err(|error| {
            Error::new(ErrorKind::Configuration, format!("the tenants in `{name}` cannot be read: {error}"))
                .caused_by(error)
        })?;
        self.tenants(&Source::new(&name, &text), path.parent().unwrap_or(Path::new("")))
    }

    /// Reads the text of a file. `name` stands for its path in errors. Paths in it are relative to the folder of the process.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn read_text(&self, name: &str, text: &str) -> Result<Tenants, Error> {
        self.tenants(&Source::new(name, text), Path::new(""))
    }

    fn tenants<'t>(&self, source: &'t Source<'t>, folder: &Path) -> Result<Tenants, Error> {
        let mut file = source.table()?;
        let allowed = file.texts("allow")?;
        let mut tenants = Tenants::default();
        for (name, table) in file.tables("tenants")? {
            tenants = tenants.with(self.tenant(name, table, folder)?);
        }
        if let Some((line, allowed)) = allowed {
            let in_line = |error: Error| file.error_at(line, &format!("`allow`: {}", error.message()));
            tenants = tenants.allow_only(allowed).map_err(in_line)?;
        }
        file.finish(&["allow", "tenants"])?;
        Ok(tenants)
    }

    fn tenant(&self, name: String, mut table: Table<'_>, folder: &Path) -> Result<Tenant, Error> {
        if name.trim().is_empty() || name.trim() != name || name.contains(char::is_control) {
            return Err(table.error("the name is blank, has blanks around it, or has a control character"));
        }
        let tenant_id = table.required("tenant_id", not_a_guid)?;
        let credential = Credential::take(&mut table, folder)?;
        let address = Address::take(&mut table)?;
        let journal_body = table.checked_text("journal_body", |kept| {
            journal_body_of(kept).is_none().then_some("is not a part of a body; use full or hash")
        })?;
        let journal_body = journal_body.as_deref().and_then(journal_body_of).unwrap_or_default();
        let place = table.place();
        table.finish(FIELDS)?;
        let (file, of) = (self.clone(), (name.clone(), tenant_id.to_ascii_lowercase()));
        Ok(Tenant::new(name, tenant_id.to_ascii_lowercase(), move || {
            let (name, id) = &of;
            let wrong = |why: &str| Error::new(ErrorKind::Configuration, format!("tenant `{name}` ({place}): {why}"));
            let builder = file.transport.set(DefenderClient::builder()).map_err(|error| wrong(&error))?;
            let sources = (&file.secrets, &file.person);
            let builder = credential.set(address.set(builder), id, sources).map_err(|error| wrong(&error))?;
            let builder = builder.journal_body(journal_body);
            Ok(file.settings.iter().fold(builder, |builder, settings| settings(builder)))
        }))
    }
}

impl Tenants {
    /// Reads the tenants of a file. No secret is read, and nothing is sent: see [`TenantsFile`].
    ///
    /// # Errors
    ///
    /// [`Configuration`](ErrorKind::Configuration), with the line.
    pub fn from_toml(path: impl AsRef<Path>) -> Result<Self, Error> {
        TenantsFile::new().read(path)
    }
}

impl fmt::Debug for TenantsFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantsFile").field("secrets", &self.secrets).finish_non_exhaustive()
    }
}

/// Addresses of a tenant.
#[derive(Clone, Debug)]
struct Address {
    cloud: Cloud,
    base_url: Option<String>,
    authority: Option<String>,
    audience: Option<String>,
}

impl Address {
    fn take(table: &mut Table<'_>) -> Result<Self, Error> {
        let cloud = table.checked_text("cloud", |cloud| {
            cloud.parse::<Cloud>().is_err().then_some("is not a cloud; use public, gcc, gcc-high or dod")
        })?;
        let cloud = cloud.and_then(|cloud| cloud.parse().ok()).unwrap_or_default();
        let region = table.checked_text("region", |region| {
            region_of(region).is_none().then_some("is not a region; use us, eu, uk, au, swa, ina or aea")
        })?;
        let region = region.as_deref().and_then(region_of);
        let base_url = table.text("base_url")?;
        if region.is_some() && (cloud != Cloud::Public || base_url.is_some()) {
            return Err(table.error("`region` needs the public cloud, and no `base_url`; remove one of them"));
        }
        Ok(Self {
            cloud,
            base_url: base_url.or_else(|| region.map(|region| region.base_url().to_owned())),
            authority: table.text("authority")?,
            audience: table.text("audience")?,
        })
    }

    fn set(&self, builder: DefenderClientBuilder) -> DefenderClientBuilder {
        let mut builder = builder.cloud(self.cloud);
        if let Some(base_url) = &self.base_url {
            builder = builder.base_url(base_url);
        }
        if let Some(authority) = &self.authority {
            builder = builder.authority(authority);
        }
        if let Some(audience) = &self.audience {
            builder = builder.audience(audience);
        }
        builder
    }
}

fn journal_body_of(name: &str) -> Option<JournalBody> {
    match name {
        "full" => Some(JournalBody::Full),
        "hash" => Some(JournalBody::Hash),
        _ => None,
    }
}

fn region_of(name: &str) -> Option<Region> {
    let is_named = |region: &Region| format!("{region:?}").eq_ignore_ascii_case(name);
    Region::ALL.into_iter().find(is_named)
}
