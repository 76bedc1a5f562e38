//! The report of a wait that has ended, for logs and for the observer.

use std::time::Duration;

use defender_model::{ActionId, ActionStatus, MachineAction};

use crate::{
    Error,
    client::Inner,
    observe::{End, OTHER, WaitEnded},
};

/// Reports the end of a wait that began at `started`.
pub(crate) fn ended(inner: &Inner, id: &ActionId, started: Duration, outcome: &Result<MachineAction, Error>) {
    let duration = inner.clock.elapsed().saturating_sub(started);
    let record = outcome.as_ref().map_or_else(Error::action, Some);
    let action_type = record.map_or(OTHER, |record| inner.known_type(record.action_type.as_str()));
    let status = match record.map(|record| &record.status) {
        None | Some(ActionStatus::Unknown(_)) => OTHER,
        Some(status) => status.as_str(),
    };
    let end = outcome.as_ref().map_or_else(|error| End::Failed(error.kind()), |_| End::Succeeded);
    let ended = WaitEnded { action_type, status, end, duration };
    trace(id, record, &ended);
    if let Some(observer) = &inner.observer {
        observer.wait_ended(&ended);
    }
}

#[cfg(feature = "tracing")]
fn trace(id: &ActionId, record: Option<&MachineAction>, ended: &WaitEnded<'_>) {
    use crate::ErrorKind;
    use tracing::Level;

    let machine = record.and_then(|record| record.machine_id.as_ref()).map(defender_model::MachineId::as_str);
    let error_type = ended.end.error_type();
    macro_rules! event {
        ($level:expr, $message:literal) => {
            tracing::event!(
                target: "defender_actions::wait",
                $level,
                r#type = ended.action_type,
                machine,
                action = id.as_str(),
                status = ended.status,
                waited = ended.duration.as_secs_f64(),
                error.type = error_type.as_deref(),
                $message
            )
        };
    }
    match ended.end {
        End::Succeeded => event!(Level::INFO, "action succeeded"),
        End::Failed(ErrorKind::ActionFailed) => event!(Level::WARN, "action did not succeed"),
        End::Failed(ErrorKind::WaitTimeout) => event!(Level::WARN, "wait timed out"),
        End::Failed(_) | End::Dropped => event!(Level::WARN, "wait failed"),
    }
}

#[cfg(not(feature = "tracing"))]
fn trace(_: &ActionId, _: Option<&MachineAction>, _: &WaitEnded<'_>) {}
