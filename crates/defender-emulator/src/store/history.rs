//! Actions from before the start.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::store::{
    action::{MachineAction, TypeName},
    action_kind::ActionKind,
    lifecycle::{Life, Outcome},
    machines::Machines,
};

/// Returns this many ended actions, the last of them a second before `now`.
pub(crate) fn actions(count: u32, machines: &Machines, now: Timestamp, requestor: &str) -> Vec<MachineAction> {
    let mut actions = Vec::new();
    let (requestor, comment) = (Arc::from(requestor), Arc::from("From before the start "));
    // What has changed a machine would be found in its state, and so only what changes nothing is in its past.
    let kinds: Vec<_> = ["RunAntiVirusScan", "CollectInvestigationPackage", "StopAndQuarantineFile"]
        .into_iter()
        .filter_map(|type_name| ActionKind::ALL.iter().find(|kind| kind.type_name == type_name))
        .collect();
    let places = machines.all().iter().enumerate().cycle();
    for (number, ((place, machine), kind)) in (0..count).zip(places.zip(kinds.into_iter().cycle().step_by(2))) {
        let ago = SignedDuration::from_secs(i64::from(count - number));
        let outcome = if number % 100 == 0 { Outcome::Failed { error_hresult: -1 } } else { Outcome::Succeeded };
        let created = now.checked_sub(ago).unwrap_or(Timestamp::MIN);
        actions.push(MachineAction {
            id: Uuid::new_v4(),
            type_name: TypeName::Known(kind),
            requestor: Arc::clone(&requestor),
            comment: Some(Arc::clone(&comment)),
            external_id: None,
            title: None,
            request_source: None,
            scope: None,
            file: None,
            commands: Arc::from([]),
            machine: place,
            machine_id: Arc::clone(&machine.id),
            computer_dns_name: Arc::clone(&machine.computer_dns_name),
            created,
            began: created,
            digits: 7,
            number: 0,
            life: Life::over(Duration::ZERO, outcome),
            cancellation: None,
            is_old: true,
            given: None,
        });
    }
    actions
}
