//! The wait for actions, which says what it waits for.

use std::{future::pending, pin::pin, time::Duration};

use defender_actions::{
    DefenderClient, Error,
    model::{ActionId, MachineAction, MachineId, sanitize_line},
    transport::Clock,
};
use futures_util::{
    StreamExt,
    future::{Either, select},
    stream::FuturesUnordered,
};
use jiff::SignedDuration;

/// Time after which the first line is said, and time between two lines after that.
const FIRST: Duration = Duration::from_secs(10);
const LATER: Duration = Duration::from_secs(600);
/// Most actions that are read singly. The list of more may be long, and is read once for all of them.
const SINGLE: usize = 5;
/// Longest name of a machine, in characters.
const SHOWN: usize = 60;

/// Waits for the ends of actions, and returns them in the order of the ids. Without an end, it says after a while, and then rarely,
/// in which state the first action is, or why the service is not reached.
pub(super) async fn awaited(
    client: &DefenderClient,
    clock: &dyn Clock,
    (ids, at_most): (&[ActionId], Duration),
    mut say: impl FnMut(&str),
) -> Vec<(ActionId, Result<MachineAction, Error>)> {
    let mut ended = Vec::new();
    let mut open = ids.to_vec();
    let mut ends = if ids.len() <= SINGLE {
        let wait = |id: &ActionId| {
            let (id, wait) = (id.clone(), client.action(id.clone()).wait().at_most(at_most));
            async move { (id, wait.send().await) }
        };
        ids.iter().map(wait).collect::<FuturesUnordered<_>>().boxed()
    } else {
        client.wait_all(ids.iter().cloned()).at_most(at_most).stream()
    };
    let mut pause = FIRST;
    loop {
        let (first, time) = (open.first().cloned(), pause);
        let state = async {
            clock.sleep(time).await;
            match &first {
                Some(id) => (id, client.action(id.clone()).get().send().await),
                None => pending().await,
            }
        };
        let mut state = pin!(state);
        let state = loop {
            match select(ends.next(), state.as_mut()).await {
                Either::Left((Some((id, end)), _)) => {
                    open.retain(|open| *open != id);
                    ended.push((id, end));
                }
                Either::Left((None, _)) => {
                    ended.sort_by_key(|(id, _)| ids.iter().position(|given| given == id));
                    return ended;
                }
                Either::Right((state, _)) => break state,
            }
        };
        let others = open.len().saturating_sub(1);
        match state {
            // The wait sees it within half a minute.
            (_, Ok(action)) if action.status.is_terminal() => {
                pause = FIRST;
                continue;
            }
            (_, Ok(action)) => say(&line(&action, at_most, others)),
            (id, Err(error)) => say(&format!("Action {id} cannot be read, and is still waited for: {error}")),
        }
        pause = LATER;
    }
}

fn line(action: &MachineAction, at_most: Duration, others: usize) -> String {
    let machine = action.computer_dns_name.as_deref().or(action.machine_id.as_ref().map(MachineId::as_str));
    let machine = machine.map(|machine| format!(" of {}", sanitize_line(machine, SHOWN))).unwrap_or_default();
    let limit =
        SignedDuration::try_from(at_most).map_or_else(|_| "no limit".to_owned(), |limit| format!("at most {limit:#}"));
    let (id, action_type, status) = (&action.id, &action.action_type, &action.status);
    let others = match others {
        0 => String::new(),
        others => format!(", and for {others} more"),
    };
    format!("Action {id}: {action_type}{machine} is {status}; waits for {limit}{others}.")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use defender_actions::{auth::ClientSecretCredential, transport::testing::ManualClock};
    use defender_emulator::{Emulator, Fault, Operation};

    use super::*;

    /// Isolates a machine that is off, arms faults, and waits for half an hour. Returns the lines with their times in seconds.
    async fn lines(machines: usize, arm: impl FnOnce(&Emulator)) -> Vec<(u64, String)> {
        let clock = ManualClock::new();
        let emulator = Emulator::builder().machines(7).clock(Arc::new(clock.clone())).in_process().unwrap();
        let (tenant, app, secret) = (emulator.tenant_id(), emulator.client_id(), emulator.client_secret());
        let builder = DefenderClient::builder().credential(ClientSecretCredential::new(tenant, app, secret));
        let builder =
            builder.transport(emulator.transport()).base_url(emulator.base_url()).authority(emulator.authority());
        let client = builder.audience(emulator.audience()).clock(clock.clone()).build().unwrap();
        let machines: Vec<_> = emulator.machine_ids().into_iter().take(machines).collect();
        for machine in &machines {
            emulator.machine_offline(machine);
        }
        clock
            .run(async {
                let mut ids = Vec::new();
                for machine in machines {
                    let submitted = client.machine(machine.parse().unwrap()).isolate("INC-4711").await.unwrap();
                    ids.push(submitted.id().clone());
                }
                arm(&emulator);
                let (mut lines, began) = (Vec::new(), clock.elapsed());
                let say = |line: &str| lines.push((clock.elapsed().saturating_sub(began).as_secs(), line.to_owned()));
                let half_an_hour = Duration::from_secs(1_800);
                let ends = awaited(&client, &clock, (&ids, half_an_hour), say).await;
                assert!(ends.iter().map(|(id, end)| end.is_err().then_some(id)).eq(ids.iter().map(Some)), "{ends:?}");
                lines
            })
            .await
    }

    #[tokio::test]
    async fn pending_action_is_said_rarely() {
        let lines = lines(1, |_| {}).await;
        assert_eq!(lines.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [10, 610, 1_210], "{lines:?}");
        assert!(
            lines
                .iter()
                .all(|(_, line)| line
                    .ends_with("Isolate of ws-eng-04.contoso.example is Pending; waits for at most 30m.")),
            "{lines:?}"
        );
    }

    /// A line for all.
    #[tokio::test]
    async fn many_actions_are_awaited_together() {
        for machines in [3, 7] {
            let lines = lines(machines, |_| {}).await;
            assert_eq!(lines.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [10, 610, 1_210], "{lines:?}");
            let end = format!("; waits for at most 30m, and for {} more.", machines - 1);
            assert!(lines.iter().all(|(_, line)| line.ends_with(&end)), "{lines:?}");
        }
    }

    #[tokio::test]
    async fn lost_network_is_said() {
        let lines = lines(1, |emulator| {
            emulator.fault(Fault::RefuseConnection).on(Operation::GetAction);
        })
        .await;
        assert!((2..=3).contains(&lines.len()) && lines[0].0 < 60, "{lines:?}");
        assert!(
            lines
                .iter()
                .all(|(_, line)| line.contains(" cannot be read, and is still waited for: GET /machineactions/")),
            "{lines:?}"
        );
    }
}
