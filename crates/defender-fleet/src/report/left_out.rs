//! The texts of targets that a plan leaves out.

use defender_actions::model::MachineId;

use crate::{LeftOut, LeftOutReason, run::RowError};

/// Returns the reason as the error of a row.
pub(super) fn error(target: &LeftOut) -> RowError {
    use LeftOutReason as R;
    let (kind, message) = match &target.reason {
        R::Invalid { message } => ("invalid", message.clone()),
        R::NotFound { .. } => ("not-found", "no machine has this id or name".to_owned()),
        R::Ambiguous { candidates } => {
            let ids: Vec<_> = candidates.iter().map(|machine| MachineId::as_str(&machine.machine_id)).collect();
            ("ambiguous", format!("several machines have this name: {}; choose one by its id", ids.join(", ")))
        }
        R::Duplicate => ("duplicate", "the machine is a target already".to_owned()),
        R::Excluded { by } => ("excluded", format!("the plan excludes the machine: {by}")),
        R::Unsuitable { reasons } => ("unsuitable", reasons.join("; ")),
        R::AlreadyDone { message } => ("already-done", message.clone()),
        R::InversePending { action_id } => {
            ("inverse-pending", format!("the inverse action {action_id} is pending on the machine"))
        }
        R::NotOurs { message } => ("not-ours", message.clone()),
    };
    let message = match &target.source {
        Some(source) => format!("{source}: {message}"),
        None => message,
    };
    RowError { kind: kind.to_owned(), message, advice: None }
}
