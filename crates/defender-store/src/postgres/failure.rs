//! The texts of failures of `PostgreSQL`.

use std::{error::Error as _, io, time::Duration};

use tokio_postgres::{Error, error::SqlState};

use crate::{StoreError, StoreErrorKind};

/// Failure of one request.
#[derive(Debug)]
pub(super) enum Failure {
    /// There was no response in time.
    Timeout(Duration),
    /// No connection was made.
    Connect(Error),
    /// A statement failed, or the connection was lost.
    Database(Error),
    /// The pool has no connection for another reason.
    Pool(String),
    /// The statement returned no row.
    NoRow,
    /// There is no runtime, or it ended before the request did.
    Runtime(String),
}

/// Error code of the functions: the isolation level is wrong.
const ISOLATION: &str = "DS001";

impl Failure {
    /// Describes the failure: what failed, on which database, why, and what to do.
    pub(super) fn describe(self, what: &str, database: &str) -> StoreError {
        let (kind, reason, advice, source) = match self {
            Self::Timeout(limit) => (
                StoreErrorKind::Unavailable,
                format!("no response within {limit:?}"),
                "repeat, and look at the load and the locks of the server",
                None,
            ),
            Self::NoRow => (
                StoreErrorKind::Schema,
                "the function returned no row".to_owned(),
                "restore a backup, or drop the schema and connect again",
                None,
            ),
            Self::Runtime(reason) => (
                StoreErrorKind::Configuration,
                format!("no runtime ({reason})"),
                "call the store within a tokio runtime that has its timers and its input and output enabled",
                None,
            ),
            Self::Pool(reason) => (StoreErrorKind::Unavailable, format!("no connection ({reason})"), "repeat", None),
            Self::Connect(error) | Self::Database(error) => {
                let (kind, reason, advice) = explain(&error);
                (kind, format!("{reason} ({})", chain(&error)), advice, Some(error))
            }
        };
        let error = StoreError::new(kind, format!("{what}: {database}: {reason}; {advice}"));
        match source {
            Some(source) => error.caused_by(source),
            None => error,
        }
    }
}

/// Returns true if the connection was lost or is about to be closed, so that another may work.
pub(super) fn is_lost(error: &Error) -> bool {
    let is_closing = error.code().is_some_and(|code| {
        [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN].contains(code) || code.code().starts_with("08")
    });
    error.is_closed() || is_closing || is_io(error)
}

fn is_io(error: &Error) -> bool {
    error.source().is_some_and(<dyn std::error::Error>::is::<io::Error>)
}

fn explain(error: &Error) -> (StoreErrorKind, &'static str, &'static str) {
    use StoreErrorKind::{Configuration, Schema, Statement, Storage, Unavailable};

    const LOAD: &str = "repeat, and look at the load and the locks of the server";

    if error.to_string().starts_with("error performing TLS handshake") {
        let advice = "check that the server offers TLS, and its certificate against the CA that the store was given";
        return (Configuration, "no TLS connection", advice);
    }
    let Some(code) = error.code() else {
        return if error.is_closed() || is_io(error) {
            (Unavailable, "the server does not respond", "check that it runs, and that its address is right")
        } else {
            (Configuration, "no connection", "check the URL, and that the server offers TLS and this kind of sign-in")
        };
    };
    match code.code() {
        "28000" | "28P01" => (Configuration, "the server refuses the sign-in", "check user, password and pg_hba.conf"),
        "3D000" => (Configuration, "the database does not exist", "create it"),
        "42501" => (
            Configuration,
            "the user lacks a permission",
            "let the owner connect once, and grant what the README of defender-store lists",
        ),
        ISOLATION => (
            Configuration,
            "the isolation level is wrong",
            "use a pooler that keeps the settings of a session, or set the default of this user to read committed",
        ),
        "25006" => (Storage, "the server is read-only", "connect to the primary, and not to a standby"),
        "53100" => (Storage, "the disk of the server is full", "free space and repeat"),
        "XX001" | "XX002" => (Storage, "the database is damaged", "restore a backup"),
        "3F000" | "42P01" | "42883" | "42703" => (
            Schema,
            "tables or functions of the store are missing",
            "restore a backup, or drop the schema and connect again",
        ),
        "53300" => {
            (Unavailable, "the server has no free connection", "raise max_connections, or use fewer connections")
        }
        "40001" | "40P01" => (Unavailable, "another statement came in between", "repeat"),
        "55P03" => (Unavailable, "another process holds the lock of the key", LOAD),
        "57014" => (Unavailable, "the statement took too long", LOAD),
        code if code.starts_with("57") || code.starts_with("08") => {
            (Unavailable, "the server stops or starts", "repeat")
        }
        _ => (Statement, "the statement failed", "the source of this error has the reason"),
    }
}

/// The message and those of its causes. None of them has the password.
fn chain(error: &Error) -> String {
    if let Some(error) = error.as_db_error() {
        return format!("{}: {}", error.code().code(), error.message());
    }
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
