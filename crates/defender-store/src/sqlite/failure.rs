//! The texts of failures of SQLite.

use std::{path::Path, sync::Arc};

use rusqlite::{Error, ErrorCode};

use crate::{StoreError, StoreErrorKind};

/// Describes a failure: what failed, on which file, why, and what to do.
pub(super) fn failure(what: &str, path: &Path, error: &Arc<Error>) -> StoreError {
    let file = path.display();
    let (kind, reason, advice) = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => (
            StoreErrorKind::Unavailable,
            "another process holds its lock",
            "repeat, and look for a stopped process that has the file open",
        ),
        Some(ErrorCode::DiskFull) => (StoreErrorKind::Storage, "the disk is full", "free space and repeat"),
        Some(ErrorCode::ReadOnly) => {
            (StoreErrorKind::Storage, "the file is read-only", "allow this user to write the file and its folder")
        }
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => (
            StoreErrorKind::Storage,
            "the file cannot be opened",
            "check that its folder exists, and that this user may write it",
        ),
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => (
            StoreErrorKind::Storage,
            "the file is damaged, or is not a database",
            "restore a backup, or move the file away",
        ),
        Some(ErrorCode::SystemIoFailure) => {
            (StoreErrorKind::Storage, "the disk reports an error", "check the disk and the system's log")
        }
        _ => (StoreErrorKind::Statement, "the statement failed", "the source of this error has the reason"),
    };
    StoreError::new(kind, format!("{what}: SQLite at {file}: {reason} ({error}); {advice}"))
        .caused_by(Arc::clone(error))
}
