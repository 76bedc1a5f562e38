//! Events beside the steps: processes are killed, others act, lists are read, machines come and go.

use std::{pin::Pin, sync::Arc, time::Duration};

use defender_actions::model::ActionInfo;
use defender_emulator::Effect;
use defender_transport::Clock;
use futures_util::StreamExt;
use serde_json::{Value, json};

use super::{
    evidence::{Said, particulars},
    executor::Owner,
    flow::{self, Stage, Written},
    plan::{Beside, Step},
    world::World,
};

/// Starts the other event of the step.
pub(crate) fn beside(world: &Arc<World>, step: &Step) {
    let spawn = |name: &str, future: Pin<Box<dyn Future<Output = ()> + Send>>| {
        world.spawner.spawn(Owner::Driver, format!("{name} of step {}", step.number), future);
    };
    let machine = world.machines.get(step.machine).map(|machine| machine.as_str().to_owned()).unwrap_or_default();
    match step.beside {
        Beside::Nothing => {}
        Beside::Kill { after } => spawn("the killer", Box::pin(kill(Arc::clone(world), step.process, after))),
        Beside::Rival { after, in_the_same_words } => {
            spawn("the rival", Box::pin(rival(Arc::clone(world), step.clone(), after, in_the_same_words)));
        }
        Beside::Meddle { after } => spawn("the meddler", Box::pin(meddle(Arc::clone(world), after))),
        Beside::List => {
            if let Some(by) = world.process(step.process) {
                let world = Arc::clone(world);
                let list = async move {
                    let mut rows = by.client.actions().stream();
                    while let Some(row) = rows.next().await {
                        match row {
                            Ok(row) => world.canary.look_at("a row", &row),
                            Err(error) => world.canary.look_at_error("an error", &error),
                        }
                    }
                };
                spawn("the list", Box::pin(list));
            }
        }
        Beside::Offline => drop(world.emulator.machine_offline(&machine)),
        Beside::Online => drop(world.emulator.machine_online(&machine)),
        Beside::WaitForAll => wait_for_all(world, step.process, step.number),
    }
}

/// Kills a process, and lets a new one go on from what it has written down.
async fn kill(world: Arc<World>, process: usize, after: Duration) {
    world.clock.sleep(after).await;
    let Some(victim) = world.process(process) else { return };
    world.spawner.kill(victim.number);
    let (by, journal) = match world.restart(process) {
        Ok(Some(restarted)) => restarted,
        Ok(None) => return,
        Err(error) => return world.broken(format!("no new client: {error}")),
    };
    let mut intents = Vec::new();
    for (tag, written) in journal {
        if let Written::Intent(intent) = &written {
            world.said(&tag, victim.number, false, Said::Nothing);
            if world.tenant.recovers_together {
                intents.push((tag, intent.clone()));
                continue;
            }
        }
        let flow = flow::resume(Arc::clone(&world), process, tag.clone(), by.clone(), written);
        world.spawner.spawn(Owner::Client(by.number), format!("{tag}, resumed"), flow);
    }
    if !intents.is_empty() {
        let flow = flow::resume_together(Arc::clone(&world), process, by.clone(), intents);
        world.spawner.spawn(Owner::Client(by.number), "all intents, resumed", flow);
    }
}

/// Another actor asks for the same, in the same words or in others.
async fn rival(world: Arc<World>, step: Step, after: Duration, in_the_same_words: bool) {
    let tag = step.tag();
    let asked = world.state().submissions.iter().find(|submission| submission.tag == tag).cloned();
    world.clock.sleep(after).await;
    // The step itself begins a moment later than what is beside it.
    let asked = asked.or_else(|| world.state().submissions.iter().find(|submission| submission.tag == tag).cloned());
    let Some(asked) = asked else { return };
    let mut body = particulars(&asked.body);
    if let Some(body) = body.as_object_mut() {
        let comment = if in_the_same_words { asked.comment().to_owned() } else { "Somebody else's reason".to_owned() };
        body.insert("Comment".to_owned(), Value::from(comment));
    }
    let Some(segment) = ActionInfo::of_type(&asked.action_type).map(|action| action.segment) else { return };
    world.rival.post(&format!("/api/machines/{}/{segment}", asked.machine), &body).await;
}

/// Another actor cancels what was last asked for.
async fn meddle(world: Arc<World>, after: Duration) {
    world.clock.sleep(after).await;
    let last = world.emulator.ledger().into_iter().rev().find_map(|entry| match entry.effect {
        Effect::Created(id) => Some(id),
        _ => None,
    });
    if let Some(id) = last {
        let body = json!({"Comment": "Not on my watch"});
        world.rival.post(&format!("/api/machineactions/{id}/cancel"), &body).await;
    }
}

pub(crate) fn wait_for_all(world: &Arc<World>, process: usize, number: u32) {
    let ids = world.left(process);
    let Some(by) = world.process(process).filter(|_| !ids.is_empty()) else { return };
    let tag = format!("w{number}-{process}");
    let flow = flow::wait_together(Arc::clone(world), tag.clone(), by.clone(), ids);
    world.spawner.spawn(Owner::Client(by.number), tag, flow);
}
