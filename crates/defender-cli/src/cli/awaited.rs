//! The wait for one action, which says what it waits for.

use std::{pin::pin, time::Duration};

use defender_actions::{
    DefenderClient, Error,
    model::{ActionId, MachineAction, MachineId, sanitize_line},
    transport::Clock,
};
use futures_util::future::{Either, select};
use jiff::SignedDuration;

/// Time after which the first line is said, and time between two lines after that.
const FIRST: Duration = Duration::from_secs(10);
const LATER: Duration = Duration::from_secs(600);
/// Longest name of a machine, in characters.
const SHOWN: usize = 60;

/// Waits for the end of an action. Without an end, it says after a while, and then rarely, in which state the action is, or why the service is
/// not reached.
pub(super) async fn awaited(
    client: &DefenderClient,
    clock: &dyn Clock,
    (id, at_most): (&ActionId, Duration),
    mut say: impl FnMut(&str),
) -> Result<MachineAction, Error> {
    let mut end = pin!(client.action(id.clone()).wait().at_most(at_most).send());
    let mut pause = FIRST;
    loop {
        let state = async {
            clock.sleep(pause).await;
            client.action(id.clone()).get().send().await
        };
        match select(end.as_mut(), pin!(state)).await {
            Either::Left((ended, _)) => return ended,
            Either::Right((Ok(action), _)) if action.status.is_terminal() => {}
            Either::Right((Ok(action), _)) => say(&line(&action, at_most)),
            Either::Right((Err(error), _)) => {
                say(&format!("Action {id} cannot be read, and is still waited for: {error}"));
            }
        }
        pause = LATER;
    }
}

fn line(action: &MachineAction, at_most: Duration) -> String {
    let machine = action.computer_dns_name.as_deref().or(action.machine_id.as_ref().map(MachineId::as_str));
    let machine = machine.map(|machine| format!(" of {}", sanitize_line(machine, SHOWN))).unwrap_or_default();
    let limit =
        SignedDuration::try_from(at_most).map_or_else(|_| "no limit".to_owned(), |limit| format!("at most {limit:#}"));
    let (id, action_type, status) = (&action.id, &action.action_type, &action.status);
    format!("Action {id}: {action_type}{machine} is {status}; waits for {limit}.")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use defender_actions::{auth::ClientSecretCredential, transport::testing::ManualClock};
    use defender_emulator::{Emulator, Fault, Operation};

    use super::*;

    /// Isolates a machine that is off, arms faults, and waits for half an hour. Returns the lines with their times in seconds.
    async fn lines(arm: impl FnOnce(&Emulator)) -> Vec<(u64, String)> {
        let clock = ManualClock::new();
        let emulator = Emulator::builder().clock(Arc::new(clock.clone())).in_process().unwrap();
        let (tenant, app, secret) = (emulator.tenant_id(), emulator.client_id(), emulator.client_secret());
        let builder = DefenderClient::builder().credential(ClientSecretCredential::new(tenant, app, secret));
        let builder =
            builder.transport(emulator.transport()).base_url(emulator.base_url()).authority(emulator.authority());
        let client = builder.audience(emulator.audience()).clock(clock.clone()).build().unwrap();
        let machine = emulator.machine_ids()[0];
        emulator.machine_offline(machine);
        clock
            .run(async {
                let submitted = client.machine(machine.parse().unwrap()).isolate("INC-4711").await.unwrap();
                arm(&emulator);
                let (mut lines, began) = (Vec::new(), clock.elapsed());
                let say = |line: &str| lines.push((clock.elapsed().saturating_sub(began).as_secs(), line.to_owned()));
                let half_an_hour = Duration::from_secs(1_800);
                awaited(&client, &clock, (submitted.id(), half_an_hour), say).await.unwrap_err();
                lines
            })
            .await
    }

    #[tokio::test]
    async fn pending_action_is_said_rarely() {
        let lines = lines(|_| {}).await;
        assert_eq!(lines.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [10, 610, 1_210], "{lines:?}");
        assert!(
            lines
                .iter()
                .all(|(_, line)| line
                    .ends_with("Isolate of ws-eng-04.contoso.example is Pending; waits for at most 30m.")),
            "{lines:?}"
        );
    }

    #[tokio::test]
    async fn lost_network_is_said() {
        let lines = lines(|emulator| {
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
