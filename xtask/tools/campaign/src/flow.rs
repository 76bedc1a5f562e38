//! A step of a process of the application: it requests, waits, cancels, and looks for what it lost.

use std::{sync::Arc, task::Poll, time::Duration};

use defender_actions::{
    DefenderClient, Error, ErrorKind, Intent, Submitted,
    model::{ActionId, MachineAction, MachineId, Sha1},
};
use defender_transport::clock::Sleep;
use futures_util::{
    StreamExt,
    future::{Either, select},
};

use super::{
    asked::{Asked, Sending},
    canary::Canary,
    evidence::Said,
    plan::{Fate, Kind, Step, Then},
};

/// The world in which a flow runs: it notes all that the client says, and keeps what a process writes down.
pub(crate) trait Stage: Send + Sync + 'static {
    /// Watch over everything that is shown.
    fn canary(&self) -> &Canary;

    /// A machine of the tenant.
    fn machine(&self, place: usize) -> Option<&MachineId>;

    /// The file that is put away.
    fn file(&self) -> &Sha1;

    /// Completes after so long.
    fn sleep(&self, time: Duration) -> Sleep;

    /// `future`, with this tag on each POST of an action that is sent while it is polled.
    fn tagged<F: Future + Send>(&self, tag: &str, future: F) -> impl Future<Output = F::Output> + Send;

    /// Notes what is about to be requested.
    fn asks(&self, tag: &str, client: u32, intent: &Intent, resend_if_lost: bool);

    /// Notes what the client said.
    fn said(&self, tag: &str, client: u32, by_intent: bool, said: Said);

    /// Writes down what a process knows of a submission.
    fn write(&self, process: usize, tag: &str, written: Written);

    /// Forgets what a process wrote down of a submission.
    fn forget(&self, process: usize, tag: &str);

    /// Leaves an action to be waited for with others.
    fn leave(&self, process: usize, id: ActionId);

    /// Notes a failure of the driver itself.
    fn broken(&self, why: String);

    /// Notes an error, and looks at all that it shows.
    fn failed(&self, tag: &str, client: u32, by_intent: bool, error: &Error) {
        self.canary().look_at_error("an error", error);
        self.said(tag, client, by_intent, Said::from(error));
    }
}

/// Note of a process about a submission.
#[derive(Clone, Debug)]
pub(crate) enum Written {
    /// Its intent, as JSON, before anything is sent.
    Intent(String),
    /// Its action.
    Action(ActionId),
}

/// A client, and its number among all that there were.
#[derive(Clone, Debug)]
pub(crate) struct Numbered {
    pub(crate) client: DefenderClient,
    pub(crate) number: u32,
}

/// Longest wait for an action that was resumed after a restart.
const RESUMED: Duration = Duration::from_secs(180);

/// Does the step, with the client that its process has now.
pub(crate) async fn step<W: Stage>(world: Arc<W>, step: Step, by: Numbered) {
    let tag = step.tag();
    let Some(machine) = world.machine(step.machine) else { return };
    let asked = match Asked::of(&step, &by.client, machine, world.file()) {
        Ok(asked) => asked,
        Err(error) => return world.broken(format!("{tag} cannot be asked for: {error}")),
    };
    world.asks(&tag, by.number, &asked.intent, step.resend_if_lost);
    // As the documentation advises: written down before anything is sent.
    match serde_json::to_string(&asked.intent) {
        Ok(intent) => world.write(step.process, &tag, Written::Intent(intent)),
        Err(error) => world.broken(format!("{tag} cannot be written down: {error}")),
    }
    if let Some(kept) = step.kept {
        world.sleep(kept).await;
    }
    let sending = cut(step.fate, &*world, asked.sending);
    let outcome = world.tagged(&tag, sending).await;
    let lost = match outcome {
        Some(Ok(submitted)) => return taken(&*world, &step, &by, submitted, false).await,
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
        world.sleep(after).await;
        if let Some(submitted) = recover(&*world, &tag, &by, asked.intent).await {
            return taken(&*world, &step, &by, submitted, true).await;
        }
    }
    world.forget(step.process, &tag);
}

/// Goes on with what another client has written down and was killed over.
pub(crate) async fn resume<W: Stage>(world: Arc<W>, process: usize, tag: String, by: Numbered, written: Written) {
    match written {
        Written::Action(id) => {
            let ended = by.client.action(id).wait().at_most(RESUMED).await;
            told(&*world, &tag, &by, false, ended);
        }
        Written::Intent(text) => match serde_json::from_str::<Intent>(&text) {
            Ok(intent) => {
                if let Some(submitted) = recover(&*world, &tag, &by, intent).await {
                    wait_again(&*world, process, &tag, &by, &submitted).await;
                }
            }
            Err(error) => return world.broken(format!("{tag} cannot be read again: {error}")),
        },
    }
    world.forget(process, &tag);
}

/// Looks for all that another client has written down and was killed over, in one search.
pub(crate) async fn resume_together<W: Stage>(
    world: Arc<W>,
    process: usize,
    by: Numbered,
    intents: Vec<(String, String)>,
) {
    let mut looked_for = Vec::new();
    for (tag, text) in intents {
        match serde_json::from_str::<Intent>(&text) {
            Ok(intent) => looked_for.push((tag, intent)),
            Err(error) => return world.broken(format!("{tag} cannot be read again: {error}")),
        }
    }
    let outcomes = by.client.recover_all(looked_for.iter().map(|(_, intent)| intent.clone())).stream();
    let (world, by) = (&*world, &by);
    let found = outcomes.map(|(intent, outcome)| {
        let place = looked_for.iter().position(|(_, other)| *other == intent);
        let tag = place.map(|place| looked_for.swap_remove(place).0);
        async move {
            let Some(tag) = tag else { return world.broken("an intent came back that nobody looked for".to_owned()) };
            match recovered(world, &tag, by, outcome) {
                Some(submitted) => wait_again(world, process, &tag, by, &submitted).await,
                None => world.forget(process, &tag),
            }
        }
    });
    found.for_each_concurrent(None, |waits| waits).await;
    if !looked_for.is_empty() {
        world.broken(format!("{} intents never came back", looked_for.len()));
    }
}

/// Waits for what was found again.
async fn wait_again(world: &impl Stage, process: usize, tag: &str, by: &Numbered, submitted: &Submitted) {
    world.write(process, tag, Written::Action(submitted.id().clone()));
    let ended = submitted.wait().at_most(RESUMED).await;
    told(world, tag, by, true, ended);
    world.forget(process, tag);
}

async fn recover(world: &impl Stage, tag: &str, by: &Numbered, intent: Intent) -> Option<Submitted> {
    let outcome = by.client.recover(intent).await;
    recovered(world, tag, by, outcome)
}

/// Notes what a search found.
fn recovered(world: &impl Stage, tag: &str, by: &Numbered, outcome: Result<Submitted, Error>) -> Option<Submitted> {
    match outcome {
        Ok(submitted) => {
            world.canary().look_at("a recovered action", &submitted);
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
async fn taken(world: &impl Stage, step: &Step, by: &Numbered, submitted: Submitted, was_noted: bool) {
    let (tag, id) = (step.tag(), submitted.id().clone());
    if !was_noted {
        world.canary().look_at("an action", &submitted);
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
            let over = world.sleep(dropped_after);
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
            world.sleep(after).await;
            cancel(world, step, by, &submitted).await;
        }
        Then::Link => link(world, step, by, &submitted).await,
        Then::Nothing => {}
    }
    world.forget(step.process, &tag);
}

/// Notes how a wait ended: that of a submission, or one by a bare id.
pub(crate) fn told(
    world: &impl Stage,
    tag: &str,
    by: &Numbered,
    of_submission: bool,
    ended: Result<MachineAction, Error>,
) {
    match ended {
        Ok(action) => {
            world.canary().look_at("an action", &action);
            let id = action.id.as_str().to_owned();
            world.said(tag, by.number, false, Said::Succeeded { id, of_submission });
        }
        Err(error) => match error.action().filter(|_| error.kind() == ErrorKind::ActionFailed) {
            Some(action) => {
                world.canary().look_at_error("an error", &error);
                let (id, status) = (action.id.as_str().to_owned(), action.status.as_str().to_owned());
                world.said(tag, by.number, false, Said::Ended { id, status });
            }
            None => world.failed(tag, by.number, false, &error),
        },
    }
}

async fn cancel(world: &impl Stage, step: &Step, by: &Numbered, submitted: &Submitted) {
    let tag = format!("k{}", step.number);
    let cancel = submitted.cancel("It was a false alarm");
    // Whose it is asks no further; who is careful takes back only what it created.
    let cancel = if step.number.is_multiple_of(2) { cancel.even_if_not_ours() } else { cancel };
    match world.tagged(&tag, cancel.send()).await {
        Ok(action) => {
            world.canary().look_at("an action", &action);
            world.said(&tag, by.number, false, Said::Cancelled { id: action.id.as_str().to_owned() });
        }
        Err(error) => world.failed(&tag, by.number, false, &error),
    }
}

/// Fetches the collected package, or the result of a session, once it is there.
async fn link(world: &impl Stage, step: &Step, by: &Numbered, submitted: &Submitted) {
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
        Ok(link) => world.canary().look_at("a link", &link),
        Err(error) => world.canary().look_at_error("an error", &error),
    }
    let mut pieces = download.into_stream();
    while let Some(piece) = pieces.next().await {
        if let Err(error) = piece {
            world.canary().look_at_error("an error", &error);
        }
    }
}

/// Waits for all of these in one wait.
pub(crate) async fn wait_together<W: Stage>(world: Arc<W>, tag: String, by: Numbered, ids: Vec<ActionId>) {
    let mut ends = by.client.wait_all(ids).at_most(RESUMED).stream();
    while let Some((_, ended)) = ends.next().await {
        told(&*world, &tag, &by, false, ended);
    }
}

/// `sending`, until its fate overtakes it.
async fn cut(fate: Fate, world: &impl Stage, mut sending: Sending) -> Option<Result<Submitted, Error>> {
    match fate {
        Fate::Runs => Some(sending.await),
        Fate::Unpolled => None,
        Fate::DroppedAfter(time) => match select(sending, world.sleep(time)).await {
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
