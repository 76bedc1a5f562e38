//! A step's action, as it is asked of the client.

use std::pin::Pin;

use defender_actions::{
    ActionRequest, DefenderClient, Error, Intent, Submitted,
    model::{Action, LiveResponseCommand, MachineId, ScanType, Sha1, WithExternalId},
};

use super::{
    evidence::OWN_ID,
    plan::{Kind, Step},
};

/// An action that is about to be asked for.
pub(crate) struct Asked {
    pub(crate) intent: Intent,
    pub(crate) sending: Sending,
}

/// The future that asks.
pub(crate) type Sending = Pin<Box<dyn Future<Output = Result<Submitted, Error>> + Send>>;

impl Asked {
    /// The request of `step` for this machine, and for this file if it is about one. Nothing is sent yet.
    pub(crate) fn of(step: &Step, client: &DefenderClient, machine: &MachineId, file: &Sha1) -> Result<Self, Error> {
        let (machine, comment) = (client.machine(machine.clone()), step.comment.as_str());
        match step.kind {
            Kind::Restrict => with(step, machine.restrict_code_execution(comment)),
            Kind::Unrestrict => with(step, machine.unrestrict_code_execution(comment)),
            Kind::Isolate => with(step, machine.isolate(comment)),
            Kind::IsolateSelectively => with(step, machine.isolate(comment).selective()),
            Kind::Unisolate => with(step, machine.unisolate(comment)),
            Kind::ScanQuickly => with(step, machine.run_antivirus_scan(comment, ScanType::Quick)),
            Kind::ScanFully => with(step, machine.run_antivirus_scan(comment, ScanType::Full)),
            Kind::Quarantine => with(step, machine.stop_and_quarantine_file(comment, file.clone())),
            Kind::Collect => with(step, machine.collect_investigation_package(comment)),
            Kind::Session => {
                with(step, machine.run_live_response(comment, [LiveResponseCommand::get_file("C:\\x.txt")]))
            }
            Kind::Offboard => with(step, machine.offboard(comment)),
        }
    }
}

fn with<A: Action + WithExternalId>(step: &Step, perform: ActionRequest<A>) -> Result<Asked, Error> {
    let perform = if step.has_external_id { perform.external_id(step.external_id()) } else { perform };
    let perform = if step.resend_if_lost { perform.resend_if_lost() } else { perform };
    let perform = if step.ordered { perform.refuse_if_inverse_pending() } else { perform };
    let perform = match step.valid_for {
        Some(valid_for) => perform.valid_for(valid_for),
        None => perform,
    };
    let perform = match step.timeout {
        Some(timeout) => perform.timeout(timeout),
        None => perform,
    };
    Ok(Asked { intent: perform.intent()?, sending: Box::pin(perform.send()) })
}

impl Step {
    /// Its own, which no other step has.
    fn external_id(&self) -> String {
        format!("{OWN_ID}{}", self.number)
    }
}
