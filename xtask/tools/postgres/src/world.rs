//! What the checks share: the server, stores on it, and a client without the settings of a store.

use std::{future::Future, path::PathBuf, pin::Pin, sync::Arc, time::Duration};

use defender_store::{PostgresStore, PostgresStoreBuilder, StoreError};
use defender_transport::{
    EndedPermit, PermitId, PermitOutcome, PermitRequest, Permits, QuotaStore, QuotaStoreError,
    extensions::{QuotaKey, RateLimit},
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use tokio_postgres::{Client, Config, config::SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use xtask::Failure;

use postgres_suite::server::{Server, broken};

/// Result of a check: what was seen, if that is wrong.
pub(crate) type Outcome = Result<(), String>;
/// A check and its name.
pub(crate) type Check = (&'static str, for<'a> fn(&'a mut World) -> Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>);

/// Makes the list of checks of their functions.
macro_rules! checks {
    ($($name:ident)*) => {
        pub(crate) const CHECKS: &[crate::world::Check] = &[$((stringify!($name), |world| Box::pin($name(world)))),*];
    };
}
pub(crate) use checks;

/// Fails the check unless the condition holds.
macro_rules! ensure {
    ($holds:expr, $($why:tt)*) => {
        if !$holds {
            return Err(format!($($why)*));
        }
    };
}
pub(crate) use ensure;

pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) folder: Folder,
}

/// A folder that is removed when it is dropped.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl World {
    pub(crate) fn new(server: Server) -> Result<Self, Failure> {
        let folder = std::env::temp_dir().join(format!("defender-store-{:016x}", fastrand::u64(..)));
        std::fs::create_dir(&folder).map_err(broken(&folder))?;
        Ok(Self { server, folder: Folder(folder) })
    }

    pub(crate) fn builder(&self) -> PostgresStoreBuilder {
        self.builder_at(self.server.port)
    }

    /// A builder of a store that connects to this port.
    pub(crate) fn builder_at(&self, port: u16) -> PostgresStoreBuilder {
        PostgresStore::builder(&self.server.url(port))
    }

    /// Returns a store of a user `worker` that has the grants of the README: it owns nothing and may create nothing.
    pub(crate) async fn store_of_worker(&self) -> Result<PostgresStore, String> {
        drop(self.store().await?);
        self.sql(
            "create role worker login password 'worker-secret'; \
             grant usage on schema defender to worker; \
             grant select, insert, update, delete on all tables in schema defender to worker; \
             grant execute on all functions in schema defender to worker",
        )
        .await?;
        let url = self.server.url_of("worker", "worker-secret", self.server.port);
        PostgresStore::connect(&url).await.map_err(text)
    }

    /// Drops the user `worker`.
    pub(crate) async fn drop_worker(&self) -> Outcome {
        self.sql("drop owned by worker; drop role worker").await
    }

    pub(crate) async fn store(&self) -> Result<PostgresStore, String> {
        self.builder().connect().await.map_err(text)
    }

    /// A client with the defaults of the server.
    pub(crate) async fn client(&self) -> Result<Client, String> {
        let pem = std::fs::read(self.server.ca()).map_err(text)?;
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&pem).map_err(text)?).map_err(text)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(text)?;
        let tls = MakeRustlsConnect::new(tls.with_root_certificates(roots).with_no_client_auth());
        let mut config = Config::new();
        config.host("localhost").port(self.server.port).user("defender").password(self.server.password());
        config.dbname("postgres").ssl_mode(SslMode::Require);
        let (client, connection) = config.connect(tls).await.map_err(text)?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// Runs statements by a client with the defaults of the server.
    pub(crate) async fn sql(&self, statements: &str) -> Outcome {
        self.client().await?.batch_execute(statements).await.map_err(describe)
    }

    /// Returns a number that the server knows.
    pub(crate) async fn number(&self, statement: &str) -> Result<i64, String> {
        let row = self.client().await?.query_one(statement, &[]).await.map_err(describe)?;
        row.try_get(0).map_err(text)
    }

    /// Number of slots of a key.
    pub(crate) async fn slots(&self, key: &QuotaKey) -> Result<i64, String> {
        let slots = "select count(*) from defender.quota_slot s join defender.quota_key q on q.id = s.key where q.name";
        self.number(&format!("{slots} = '{key}'")).await
    }
}

pub(crate) fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// The text of an error of the server.
#[expect(clippy::needless_pass_by_value, reason = "it is the last use of an error")]
pub(crate) fn describe(error: tokio_postgres::Error) -> String {
    error
        .as_db_error()
        .map_or_else(|| error.to_string(), |error| format!("{}: {}", error.code().code(), error.message()))
}

/// A key that no other check uses.
pub(crate) fn key() -> QuotaKey {
    QuotaKey::from(format!("key/{}", PermitId::generate()))
}

pub(crate) fn limit(calls: u32, seconds: u64) -> [RateLimit; 1] {
    [RateLimit { calls, per: Duration::from_secs(seconds) }]
}

pub(crate) fn ids(count: usize) -> Vec<PermitId> {
    std::iter::repeat_with(PermitId::generate).take(count).collect()
}

pub(crate) async fn ask(
    store: &PostgresStore,
    key: &QuotaKey,
    permits: &[PermitId],
    limits: &[RateLimit],
) -> Result<Permits, QuotaStoreError> {
    store.reserve(&PermitRequest { key, limits, permits, hold: Duration::from_secs(100) }).await
}

/// Asks for one permit of a limit of ten in a hundred seconds.
pub(crate) async fn one(store: &PostgresStore, key: &QuotaKey) -> Result<Permits, QuotaStoreError> {
    ask(store, key, &ids(1), &limit(10, 100)).await
}

pub(crate) fn ended(id: PermitId, outcome: PermitOutcome) -> [EndedPermit; 1] {
    [EndedPermit { id, outcome, ago: Duration::ZERO }]
}

/// Checks that an error contains these texts, and no password.
pub(crate) fn says(world: &World, error: &(impl std::fmt::Display + std::fmt::Debug), parts: &[&str]) -> Outcome {
    let line = error.to_string();
    ensure!(!line.contains(world.server.password()), "an error has the password: {line}");
    for part in parts {
        ensure!(line.contains(part), "an error does not say `{part}`: {line}");
    }
    Ok(())
}

/// The error of a store that must not be made.
pub(crate) fn refused(connected: Result<PostgresStore, StoreError>) -> Result<StoreError, String> {
    match connected {
        Ok(store) => Err(format!("a store was made: {store:?}")),
        Err(error) => Ok(error),
    }
}
