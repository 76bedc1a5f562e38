//! The library, on the emulator.

use std::time::Duration;

use defender_actions::{ErrorKind, model::LibraryFile};
use defender_emulator::{Fault, Operation};
use futures_util::TryStreamExt;

use crate::support::{World, forbidden, lines, over};

async fn files(world: &World) -> Vec<LibraryFile> {
    world.run(world.defender.library().files().stream().try_collect()).await.unwrap()
}

#[tokio::test]
async fn a_file_comes_is_replaced_when_asked_and_goes() {
    let world = World::new();
    let library = world.defender.library();
    assert!(files(&world).await.is_empty());
    let script = "Get-Date\r\n--defender-form-0000000000000000--\r\n";
    let first = library.upload("a b.ps1", script).description("Zeit \u{fc}ber alles");
    let first = world.run(first.into_future()).await.unwrap();
    assert_eq!(first.file_name, "a b.ps1");
    assert_eq!(first.description.as_deref(), Some("Zeit \u{fc}ber alles"));
    let hash = first.sha256.clone().unwrap();

    let again = world.run(library.upload("a b.ps1", "other").into_future()).await.unwrap_err();
    assert_eq!((again.kind(), again.status()), (ErrorKind::Refused, Some(400)));
    world.clock.advance(Duration::from_secs(1));
    let replaced = library.upload("a b.ps1", "other").parameters("-Days n").override_if_exists();
    let replaced = world.run(replaced.into_future()).await.unwrap();
    assert_ne!(replaced.sha256.unwrap(), hash);
    assert_eq!(replaced.has_parameters, Some(true));

    assert_eq!(files(&world).await.len(), 1);
    world.run(library.delete("a b.ps1").into_future()).await.unwrap();
    assert!(world.run(library.delete("a b.ps1").into_future()).await.unwrap_err().is_not_found());
    assert!(files(&world).await.is_empty());
}

#[tokio::test]
async fn a_lost_answer_is_told_as_it_is() {
    let world = World::new();
    let library = world.defender.library();
    let lose = |operation| world.emulator.fault(Fault::ResetAfterEffect).on(operation).times(1);
    // Without leave to replace, a second sending would call the first one's file a failure.
    lose(Operation::UploadLibraryFile);
    let error = world.run(library.upload("a.ps1", "x").into_future()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
    assert_eq!(files(&world).await.len(), 1);
    lose(Operation::UploadLibraryFile);
    world.run(library.upload("a.ps1", "x").override_if_exists().into_future()).await.unwrap();
    // The second sending finds that the first has done it.
    lose(Operation::DeleteLibraryFile);
    world.run(library.delete("a.ps1").into_future()).await.unwrap();
    assert_eq!(world.emulator.ledger().last().unwrap().status, 404);
}

#[tokio::test]
async fn without_the_permission_it_is_forbidden() {
    let world = World::with(|builder| builder.without_role("Library.Manage"));
    let library = world.defender.library();
    forbidden(world.run(library.files().stream().try_collect::<Vec<_>>()).await);
    forbidden(world.run(library.upload("a.ps1", "x").into_future()).await);
    forbidden(world.run(library.delete("a.ps1").into_future()).await);
}

#[tokio::test]
async fn twenty_megabytes_are_sent_and_one_byte_more_is_not() {
    let (defender, wire) = over(|_| (200, r#"{"fileName":"a"}"#.to_owned()));
    defender.library().upload("a", vec![b'x'; 20 << 20]).await.unwrap();
    let error = defender.library().upload("a", vec![b'x'; (20 << 20) + 1]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(lines(&wire).len(), 1);
}
