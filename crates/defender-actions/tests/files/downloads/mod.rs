//! Downloads from correct and from faulty stores.

mod connections;
mod encodings;
mod parts;
mod responses;
mod saving;

use defender_actions::{Download, ErrorKind, Sha256};

use crate::{
    store::{CANARY, Folder, Store},
    support::error_chain,
};

pub(super) fn hash(bytes: &[u8]) -> Sha256 {
    use sha2::Digest;
    <[u8; 32]>::from(sha2::Sha256::digest(bytes)).into()
}

/// Asserts that the download ends as `kind`, leaves no file, and shows no secret. Returns the whole text of the error.
pub(super) async fn ends_as(kind: ErrorKind, store: &Store, change: impl FnOnce(Download) -> Download) -> String {
    let folder = Folder::new();
    let download = change(store.action().package());
    assert!(!format!("{download:?}").contains(CANARY));
    let error = store.run(download.save_as(folder.0.join("p.zip"))).await.unwrap_err();
    let text = error_chain(&error);
    assert_eq!(error.kind(), kind, "{text}");
    assert!(folder.names().is_empty(), "{:?}", folder.names());
    assert!(!text.contains(CANARY), "{text}");
    text
}

pub(super) async fn write_from(store: &Store, written: &mut Vec<u8>) {
    store.run(store.action().package().write_to(written)).await.unwrap();
}
