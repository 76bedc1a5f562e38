//! Files on the disk: complete, or absent.

use std::task::Poll;

use defender_actions::ErrorKind;
use futures_util::TryStreamExt;

use super::{ends_as, hash};
use crate::store::{Folder, Store, content, good};

#[tokio::test]
async fn wrong_hash_leaves_no_file() {
    let all = content(100_000);
    let mut flipped = all.to_vec();
    flipped[77_777] ^= 4;
    let store = Store::new([good(flipped.into(), None)]);
    let text = ends_as(ErrorKind::Corrupt, &store, |download| download.expect_sha256(hash(&all))).await;
    assert!(text.contains(&hash(&all).to_string()), "{text}");
    // In a stream, the error is the last item.
    let stream = store.action().package().expect_sha256(hash(&all)).into_stream();
    assert_eq!(store.run(stream.try_collect::<Vec<_>>()).await.unwrap_err().kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn existing_file_is_not_replaced() {
    let (store, folder) = (Store::new([good(content(9), None)]), Folder::new());
    let path = folder.0.join("p.zip");
    std::fs::write(&path, "mine").unwrap();
    let error = store.run(store.action().package().save_as(&path)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert_eq!(std::fs::read(&path).unwrap(), b"mine");
    assert!(store.transport.requests().is_empty(), "nothing was requested");
    store.run(store.action().package().overwrite().save_as(&path)).await.unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), content(9));
    // A file that appears during the download is not replaced either.
    let late = folder.0.join("late.zip");
    let appears = late.clone();
    let download = store.action().package().progress(move |_| std::fs::write(&appears, "theirs").unwrap());
    assert_eq!(store.run(download.save_as(&late)).await.unwrap_err().kind(), ErrorKind::Io);
    assert_eq!(std::fs::read(&late).unwrap(), b"theirs");
    assert_eq!(folder.names(), ["late.zip", "p.zip"]);
    for nowhere in [folder.0.join("none/p.zip"), folder.0.clone(), "/".into(), "".into()] {
        let error = store.run(store.action().package().save_as(nowhere)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn saved_file_is_private() {
    use std::os::unix::fs::PermissionsExt;

    let (store, folder) = (Store::new([good(content(9), None)]), Folder::new());
    let path = folder.0.join("p.zip");
    store.run(store.action().package().save_as(&path)).await.unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn dropped_download_leaves_no_file() {
    let folder = Folder::new();
    // Every chunk is followed by a pause that the test does not end.
    let store = Store::new([good(content(1_000_000), Some(600_000)), good(content(1_000_000), Some(0))]);
    let mut saving = Box::pin(store.action().package().save_as(folder.0.join("p.zip")));
    while store.clock.sleeping() == 0 {
        assert!(matches!(futures_util::poll!(&mut saving), Poll::Pending));
        tokio::task::yield_now().await;
    }
    assert_eq!(folder.names().len(), 1, "one temporary file exists");
    drop(saving);
    assert!(folder.names().is_empty(), "{:?}", folder.names());
}
