//! Code that a project tests: it releases a machine and waits for the end.

use defender_actions::{
    DefenderClient, Error,
    model::{ActionStatus, MachineId},
};

/// Releases `machine` from isolation and returns the final status.
pub async fn release(defender: &DefenderClient, machine: MachineId) -> Result<ActionStatus, Error> {
    let submitted = defender.machine(machine).unisolate("False positive").await?;
    Ok(submitted.wait().await?.status)
}
