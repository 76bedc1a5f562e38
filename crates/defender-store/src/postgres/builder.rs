//! Settings of the store in `PostgreSQL`.

use std::{fmt, path::Path, sync::Arc, time::Duration};

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use rustls::ClientConfig;
use tokio_postgres::{Config, config::TargetSessionAttrs};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{address::Address, connection::Connections, migrate, store::PostgresStore, tls::Roots};
use crate::{StoreError, StoreErrorKind};

/// Builder of a [`PostgresStore`].
#[derive(Clone)]
pub struct PostgresStoreBuilder {
    url: String,
    schema: String,
    roots: Option<Result<Roots, String>>,
    connections: usize,
    timeout: Duration,
}

impl PostgresStore {
    /// Connects to a database, such as `postgres://user:password@host/database`, and creates or updates the schema.
    ///
    /// TLS is required, and the certificate is checked against the roots of the platform, unless the URL says `sslmode=disable` or
    /// names a file of CAs by `sslrootcert`.
    ///
    /// # Errors
    ///
    /// The URL is invalid, the server cannot be reached, or the schema is newer or another program's.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::builder(url).connect().await
    }

    /// Returns a builder for a store with other settings.
    #[must_use]
    pub fn builder(url: &str) -> PostgresStoreBuilder {
        PostgresStoreBuilder::new(url)
    }
}

impl PostgresStoreBuilder {
    fn new(url: &str) -> Self {
        let (schema, timeout) = ("defender".to_owned(), Duration::from_secs(10));
        Self { url: url.to_owned(), schema, roots: None, connections: 4, timeout }
    }

    /// Sets the schema of the tables: `defender`, if not set. It is created if it is missing.
    #[must_use]
    pub fn schema(mut self, name: impl Into<String>) -> Self {
        self.schema = name.into();
        self
    }

    /// Trusts the certificates in this PEM file alone, and not the roots of the platform.
    #[must_use]
    pub fn ca_file(mut self, path: impl AsRef<Path>) -> Self {
        self.roots = Some(Roots::file(path.as_ref()));
        self
    }

    /// Trusts these certificates in PEM alone, and not the roots of the platform.
    #[must_use]
    pub fn ca_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots = Some(Ok(Roots::Pem(pem.into())));
        self
    }

    /// Uses this configuration of TLS, as for a client certificate.
    #[must_use]
    pub fn tls_config(mut self, config: Arc<ClientConfig>) -> Self {
        self.roots = Some(Ok(Roots::Config(config)));
        self
    }

    /// Sets the largest number of connections: 4, if not set. A request is one statement, so that few are enough.
    #[must_use]
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections.max(1);
        self
    }

    /// Sets the time within which a request must be done, with the wait for a connection: 10 seconds, if not set.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Connects, and creates or updates the schema.
    ///
    /// # Errors
    ///
    /// The settings are invalid, the server cannot be reached, or the schema is newer or another program's.
    pub async fn connect(self) -> Result<PostgresStore, StoreError> {
        let invalid = |why: String| {
            StoreError::new(StoreErrorKind::Configuration, format!("invalid configuration of PostgreSQL: {why}"))
        };
        if !is_plain(&self.schema) {
            let why = format!("the schema `{}` must be of a-z, 0-9 and _, and begin with a letter", self.schema);
            return Err(invalid(why));
        }
        let address = Address::read(&self.url).map_err(invalid)?;
        let roots = match (self.roots, address.root_certificate()) {
            (Some(roots), _) => roots,
            (None, Some(path)) => Roots::file(path),
            (None, None) => Ok(Roots::Platform),
        };
        let tls = roots.and_then(|roots| roots.config()).map_err(invalid)?;
        let name = format!("PostgreSQL at {address}, schema {}", self.schema);
        let mut config = address.into_config();
        prepare(&mut config, self.timeout);
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let settings: Arc<str> = settings(self.timeout).into();
        let pool = Pool::builder(Manager::from_config(config, MakeRustlsConnect::new(tls), recycling))
            .max_size(self.connections)
            .runtime(Runtime::Tokio1)
            .post_create(Hook::async_fn(move |client, _| {
                let settings = Arc::clone(&settings);
                Box::pin(async move { client.batch_execute(&settings).await.map_err(HookError::Backend) })
            }))
            .build()
            .map_err(|error| invalid(error.to_string()))?;
        let connections = Connections::new(pool, name, format!("\"{}\"", self.schema), self.timeout);
        migrate::migrate(&connections, &self.schema).await?;
        Ok(PostgresStore::new(connections))
    }
}

/// Prints no URL, which has a password.
impl fmt::Debug for PostgresStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStoreBuilder")
            .field("schema", &self.schema)
            .field("connections", &self.connections)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// Settings of each connection, whatever the defaults of server, database and role are. The functions make sure of it again, for
/// a pooler that does not keep it.
fn settings(timeout: Duration) -> String {
    let timeout = timeout.as_millis().max(2);
    format!(
        "set search_path = pg_catalog, pg_temp; \
         set default_transaction_isolation = 'read committed'; \
         set statement_timeout = {timeout}; \
         set lock_timeout = {}; \
         set idle_in_transaction_session_timeout = {timeout}; \
         set client_min_messages = warning; \
         select set_config('synchronous_commit', 'on', false) \
         where current_setting('synchronous_commit') not in ('on', 'remote_apply')",
        timeout / 2
    )
}

fn prepare(config: &mut Config, timeout: Duration) {
    if config.get_application_name().is_none() {
        config.application_name("defender-store");
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(timeout / 2);
    }
    if config.get_hosts().len() > 1 && config.get_target_session_attrs() == TargetSessionAttrs::Any {
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    }
}

fn is_plain(name: &str) -> bool {
    let rest = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    name.len() <= 50 && name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(rest)
}

#[cfg(test)]
mod tests {
    use std::{
        future::Future as _,
        task::{Context, Poll, Waker},
    };

    use super::*;

    #[test]
    fn builder_prints_no_password() {
        let builder = PostgresStore::builder("postgres://user:hunter2@db.example/quota");
        assert!(!format!("{builder:?}").contains("hunter2"));
    }

    #[test]
    fn connecting_without_a_runtime_is_an_error() {
        let mut connecting = Box::pin(PostgresStore::connect("postgres://user:hunter2@localhost/quota"));
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(Err(error)) = connecting.as_mut().poll(&mut context) else { panic!("it connects") };
        assert_eq!(error.kind(), StoreErrorKind::Configuration, "{error}");
        assert!(error.to_string().contains("call the store within a tokio runtime"), "{error}");
    }

    #[tokio::test]
    async fn invalid_settings_are_refused() {
        let url = "postgres://user:hunter2@db.example/quota";
        let store = || PostgresStore::builder(url);
        for builder in [
            store().schema(""),
            store().schema("Quota"),
            store().schema("a\"b"),
            store().ca_file("/no/such/file"),
            store().ca_pem("not PEM"),
            PostgresStore::builder("postgres://user:hunter2@db.example:port/quota"),
        ] {
            let error = builder.connect().await.unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Configuration, "{error}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
    }
}
