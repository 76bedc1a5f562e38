//! What a process of the application does with one step: it asks, is told, waits, cancels, and looks for what it lost.

use std::{sync::Arc, task::Poll, time::Duration};

use defender_actions::{
    Error, ErrorKind, Intent, Submitted,
    model::{ActionId, MachineAction},
};
use defender_transport::{Clock, testing::ManualClock};
use futures_util::{
    StreamExt,
    future::{Either, select},
};

use super::{
    asked::{Asked, Sending},
    evidence::Said,
    executor::Owner,
    plan::{Fate, Kind, Step, Then},
    world::{Numbered, World, Written},
};

/// How long what was resumed after a restart is waited for.
const RESUMED: Duration = Duration::from_secs(180);

/// Does the step, with the client that its process has now.
pub(crate) async fn step(world: Arc<World>, step: Step, by: Numbered) {
    let tag = step.tag();
    let Some(machine) = world.machines.get(step.machine) else { return };
    let asked = match Asked::of(&step, &by.client, machine, &world.file) {
        Ok(asked) => asked,
        Err(error) => return world.state().broken.push(format!("{tag} cannot be asked for: {error}")),
    };
    world.asks(&tag, by.number, &asked.intent, step.resend_if_lost);
    // As whoever follows the advice does: written down before anything is sent.
    match serde_json::to_string(&asked.intent) {
        Ok(intent) => world.write(step.process, &tag, Written::Intent(intent)),
        Err(error) => world.state().broken.push(format!("{tag} cannot be written down: {error}")),
    }
    if let Some(kept) = step.kept {
        world.clock.sleep(kept).await;
    }
    let sending = cut(step.fate, world.clock.clone(), asked.sending);
    let outcome = world.network.tagged(tag.as_str().into(), sending).await;
    let lost = match outcome {
        Some(Ok(submitted)) => return taken(&world, &step, &by, submitted, false).await,
        Some(Err(error)) => {
            world.failed(&tag, by.number, false, &error);
            error.is_outcome_unknown()
        }
        None => {
            world.said(&tag, by.number, false, Said::Nothing);
            true
        }
    };
    if let Some(after) = step.recovers_after.filter(|_| lost) {
        world.clock.sleep(after).await;
        if let Some(submitted) = recover(&world, &tag, &by, asked.intent).await {
            return taken(&world, &step, &by, submitted, true).await;
        }
    }
    world.forget(step.process, &tag);
}

/// Goes on with what another client has written down and was killed over.
pub(crate) async fn resume(world: Arc<World>, process: usize, tag: String, by: Numbered, written: Written) {
    match written {
        Written::Action(id) => {
            let ended = by.client.action(id).wait().at_most(RESUMED).await;
            told(&world, &tag, &by, false, ended);
        }
        Written::Intent(text) => match serde_json::from_str::<Intent>(&text) {
            Ok(intent) => {
                if let Some(submitted) = recover(&world, &tag, &by, intent).await {
                    wait_again(Arc::clone(&world), process, tag.clone(), by, submitted).await;
                }
            }
            Err(error) => return world.state().broken.push(format!("{tag} cannot be read again: {error}")),
        },
    }
    world.forget(process, &tag);
}

/// Looks for all that another client has written down and was killed over, in one search.
pub(crate) async fn resume_together(world: Arc<World>, process: usize, by: Numbered, intents: Vec<(String, String)>) {
    let mut looked_for = Vec::new();
    for (tag, text) in intents {
        match serde_json::from_str::<Intent>(&text) {
            Ok(intent) => looked_for.push((tag, intent)),
            Err(error) => return world.state().broken.push(format!("{tag} cannot be read again: {error}")),
        }
    }
    let mut outcomes = by.client.recover_all(looked_for.iter().map(|(_, intent)| intent.clone())).stream();
    while let Some((intent, outcome)) = outcomes.next().await {
        let Some(place) = looked_for.iter().position(|(_, other)| *other == intent) else {
            return world.state().broken.push("an intent came back that nobody looked for".to_owned());
        };
        let (tag, _) = looked_for.swap_remove(place);
        match recovered(&world, &tag, &by, outcome) {
            Some(submitted) => {
                let waits = wait_again(Arc::clone(&world), process, tag.clone(), by.clone(), submitted);
                world.spawner.spawn(Owner::Client(by.number), format!("{tag}, waited for again"), waits);
            }
            None => world.forget(process, &tag),
        }
    }
    if !looked_for.is_empty() {
        world.state().broken.push(format!("{} intents never came back", looked_for.len()));
    }
}

/// Waits for what was found again.
async fn wait_again(world: Arc<World>, process: usize, tag: String, by: Numbered, submitted: Submitted) {
    world.write(process, &tag, Written::Action(submitted.id().clone()));
    let ended = submitted.wait().at_most(RESUMED).await;
    told(&world, &tag, &by, true, ended);
    world.forget(process, &tag);
}

async fn recover(world: &World, tag: &str, by: &Numbered, intent: Intent) -> Option<Submitted> {
    let outcome = by.client.recover(intent).await;
    recovered(world, tag, by, outcome)
}

/// Notes what a search found.
fn recovered(world: &World, tag: &str, by: &Numbered, outcome: Result<Submitted, Error>) -> Option<Submitted> {
    match outcome {
        Ok(submitted) => {
            world.canary.look_at("a recovered action", &submitted);
            world.said(tag, by.number, true, Said::from(&submitted));
            Some(submitted)
        }
        Err(error) => {
            world.failed(tag, by.number, true, &error);
            None
        }
    }
}

/// There is an action: waits for it, takes it back, or leaves it.
async fn taken(world: &World, step: &Step, by: &Numbered, submitted: Submitted, was_noted: bool) {
    let (tag, id) = (step.tag(), submitted.id().clone());
    if !was_noted {
        world.canary.look_at("an action", &submitted);
        world.said(&tag, by.number, false, Said::from(&submitted));
    }
    world.write(step.process, &tag, Written::Action(id.clone()));
    match step.then {
        Then::Wait { at_most } => {
            let ended = submitted.wait().at_most(at_most).await;
            told(world, &tag, by, true, ended);
        }
        Then::WaitTogether => world.leave(step.process, id),
        Then::WaitTwice { dropped_after } => {
            let first = Box::pin(submitted.wait().send());
            let over = world.clock.sleep(dropped_after);
            match select(first, over).await {
                Either::Left((ended, _)) => told(world, &tag, by, true, ended),
                Either::Right(_) => {
                    let ended = by.client.action(id).wait().at_most(RESUMED).await;
                    told(world, &tag, by, false, ended);
                }
            }
        }
        Then::Updates => {
            let mut updates = submitted.wait().at_most(RESUMED).updates();
            let mut last = None;
            while let Some(update) = updates.next().await {
                last = Some(update);
            }
            if let Some(last) = last {
                told(world, &tag, by, true, last);
            }
        }
        Then::CancelAfter(after) => {
            world.clock.sleep(after).await;
            cancel(world, step, by, &submitted).await;
        }
        Then::Link => link(world, step, by, &submitted).await,
        Then::Nothing => {}
    }
    world.forget(step.process, &tag);
}

/// Notes how a wait ended: that of a submission, or one by a bare id.
pub(crate) fn told(world: &World, tag: &str, by: &Numbered, of_submission: bool, ended: Result<MachineAction, Error>) {
    match ended {
        Ok(action) => {
            world.canary.look_at("an action", &action);
            let id = action.id.as_str().to_owned();
            world.said(tag, by.number, false, Said::Succeeded { id, of_submission });
        }
        Err(error) => match error.action().filter(|_| error.kind() == ErrorKind::ActionFailed) {
            Some(action) => {
                world.canary.look_at_error("an error", &error);
                let (id, status) = (action.id.as_str().to_owned(), action.status.as_str().to_owned());
                world.said(tag, by.number, false, Said::Ended { id, status });
            }
            None => world.failed(tag, by.number, false, &error),
        },
    }
}

async fn cancel(world: &World, step: &Step, by: &Numbered, submitted: &Submitted) {
    let tag = format!("k{}", step.number);
    let cancel = submitted.cancel("It was a false alarm");
    // Whose it is asks no further; who is careful takes back only what it created.
    let cancel = if step.number.is_multiple_of(2) { cancel.even_if_not_ours() } else { cancel };
    match world.network.tagged(tag.as_str().into(), cancel.send()).await {
        Ok(action) => {
            world.canary.look_at("an action", &action);
            world.said(&tag, by.number, false, Said::Cancelled { id: action.id.as_str().to_owned() });
        }
        Err(error) => world.failed(&tag, by.number, false, &error),
    }
}

/// What was collected, or what a session got, is fetched once it is there.
async fn link(world: &World, step: &Step, by: &Numbered, submitted: &Submitted) {
    let (tag, id) = (step.tag(), submitted.id().clone());
    let ended = submitted.wait().at_most(RESUMED).await;
    let went_well = ended.is_ok();
    told(world, &tag, by, true, ended);
    if !went_well {
        return;
    }
    let action = by.client.action(id);
    let download = || match step.kind {
        Kind::Collect => Some(action.package()),
        Kind::Session => Some(action.result(0).file()),
        _ => None,
    };
    let (Some(link), Some(download)) = (download(), download()) else { return };
    match link.link().await {
        Ok(link) => world.canary.look_at("a link", &link),
        Err(error) => world.canary.look_at_error("an error", &error),
    }
    let mut pieces = download.into_stream();
    while let Some(piece) = pieces.next().await {
        if let Err(error) = piece {
            world.canary.look_at_error("an error", &error);
        }
    }
}

/// Waits for all of these in one wait.
pub(crate) async fn wait_together(world: Arc<World>, tag: String, by: Numbered, ids: Vec<ActionId>) {
    let mut ends = by.client.wait_all(ids).at_most(RESUMED).stream();
    while let Some((_, ended)) = ends.next().await {
        told(&world, &tag, &by, false, ended);
    }
}

/// `sending`, until its fate overtakes it.
async fn cut(fate: Fate, clock: ManualClock, mut sending: Sending) -> Option<Result<Submitted, Error>> {
    match fate {
        Fate::Runs => Some(sending.await),
        Fate::Unpolled => None,
        Fate::DroppedAfter(time) => match select(sending, clock.sleep(time)).await {
            Either::Left((outcome, _)) => Some(outcome),
            Either::Right(_) => None,
        },
        Fate::DroppedAtPoll(polls) => {
            let mut left = polls;
            std::future::poll_fn(|context| {
                left = left.saturating_sub(1);
                match sending.as_mut().poll(context) {
                    Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
                    Poll::Pending if left == 0 => Poll::Ready(None),
                    Poll::Pending => Poll::Pending,
                }
            })
            .await
        }
    }
}
