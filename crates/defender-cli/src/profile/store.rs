//! The store of journal, quota and runs.

use std::path::Path;

use defender_fleet::Stores;
use defender_store::SqliteStore;

use super::{
    clock::clock,
    connection_string::{decoded, is_connection_string, rest_of_postgres},
    folders,
    variable::variable,
};
use crate::failure::Failure;

/// Opens the store of the option, of `DEFENDER_STORE`, or the SQLite file in the user's state folder.
pub(crate) async fn stores(option: Option<&str>) -> Result<Stores, Failure> {
    let chosen = match option {
        Some(chosen) => Some(chosen.to_owned()),
        None => variable("DEFENDER_STORE")?,
    };
    match chosen {
        Some(url) if url.starts_with("postgres://") || url.starts_with("postgresql://") => postgres(&url).await,
        Some(text) => {
            refuse(&text)?;
            sqlite(text.as_ref()).await
        }
        None => sqlite(&folders::state_file("runs.db")?).await,
    }
}

/// Refuses what is not the path of a file. Nothing after a scheme is printed: it may have a password, which would also become the name of a file.
fn refuse(text: &str) -> Result<(), Failure> {
    if is_connection_string(text) {
        return Err(Failure::usage(
            "--store or DEFENDER_STORE: a connection string with pairs such as `host=` is not a store; give \
             postgres://HOST/DATABASE, or the path of an SQLite file, which begins with `./` if its name is such a pair",
        ));
    }
    let decoded = decoded(text);
    if rest_of_postgres(&decoded).is_some() {
        return Err(Failure::usage(
            "--store or DEFENDER_STORE: the URL of a PostgreSQL store begins with postgres://, in small letters and not encoded",
        ));
    }
    let Some((scheme, _)) = decoded.split_once("://") else { return Ok(()) };
    let is_plain = scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    Err(Failure::usage(format!(
        "--store or DEFENDER_STORE: `{}` is not a store; give the path of an SQLite file, or postgres://HOST/DATABASE",
        if is_plain { format!("{scheme}://…") } else { "…".to_owned() }
    )))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_are_files() {
        for text in [
            "host=db.example dbname=quota user=u password=canary",
            "Host=db.example;Username=u;Password=canary",
            "mysql://u:canary@db/x",
            "POSTGRES://u:canary@db/x",
            "postgres%3A%2F%2Fu:canary@db/x",
            "postgres:u:canary@db/x",
            "u:canary@db://x",
        ] {
            let failure = refuse(text).expect_err(text);
            let is_told = failure.message.contains("is not a store") || failure.message.contains("not encoded");
            assert!(is_told && !failure.message.contains("canary"), "{failure}");
        }
        for path in ["runs.db", "/srv/host=a/runs.db", "./user=jo.db", "C:\\state\\runs.db", "postgres.db"] {
            assert!(refuse(path).is_ok(), "{path}");
        }
    }
}
