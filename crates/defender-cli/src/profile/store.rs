//! The store of journal, quota and runs.

use std::path::Path;

use defender_fleet::Stores;
use defender_store::SqliteStore;

use super::{clock::clock, folders, variable::variable};
use crate::failure::Failure;

/// Opens the store of the option, of `DEFENDER_STORE`, or the SQLite file in the user's state folder.
pub(crate) async fn stores(option: Option<&str>) -> Result<Stores, Failure> {
    let chosen = match option {
        Some(chosen) => Some(chosen.to_owned()),
        None => variable("DEFENDER_STORE")?,
    };
    match chosen {
        Some(url) if url.starts_with("postgres://") || url.starts_with("postgresql://") => postgres(&url).await,
        Some(url) if url.contains("://") => Err(Failure::usage(format!(
            "--store or DEFENDER_STORE: `{}` is not a store; give the path of an SQLite file, or postgres://HOST/DATABASE",
            scheme(&url)
        ))),
        Some(path) => sqlite(path.as_ref()).await,
        None => sqlite(&folders::state_file("runs.db")?).await,
    }
}

/// Returns a URL up to its scheme: the rest may have a password.
fn scheme(url: &str) -> String {
    url.split_once("://").map_or_else(String::new, |(scheme, _)| format!("{scheme}://…"))
}

async fn sqlite(path: &Path) -> Result<Stores, Failure> {
    let store = SqliteStore::open_with_clock(path, clock()).await.map_err(|error| Failure::usage(error.to_string()))?;
    Ok(Stores::of(store))
}

#[cfg(feature = "postgres")]
async fn postgres(url: &str) -> Result<Stores, Failure> {
    let store = defender_store::PostgresStore::connect(url).await.map_err(|error| Failure::usage(error.to_string()))?;
    Ok(Stores::of(store))
}

#[cfg(not(feature = "postgres"))]
#[expect(clippy::unused_async, reason = "with the feature `postgres` it connects")]
async fn postgres(_url: &str) -> Result<Stores, Failure> {
    Err(Failure::usage("this build has no PostgreSQL; install it with the feature `postgres`, or give --store PATH"))
}
