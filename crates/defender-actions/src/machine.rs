//! One machine, and what can be done to it.

use defender_model::{
    Action, CollectInvestigationPackage, Isolate, IsolationType, LiveResponse, LiveResponseCommand, MachineId,
    Offboard, RestrictCodeExecution, RunAntiVirusScan, ScanType, Sha1, StopAndQuarantineFile, Unisolate,
    UnrestrictCodeExecution,
};

use crate::{DefenderClient, Perform};

/// One machine, and what can be done to it. It owns its client.
///
/// Each action takes a comment. The service requires it, and it is kept in the audit trail as it is given; an empty or blank
/// one is an error of the await, and nothing is sent.
#[derive(Clone, Debug)]
pub struct MachineHandle {
    client: DefenderClient,
    id: MachineId,
}

impl MachineHandle {
    pub(crate) fn new(client: DefenderClient, id: MachineId) -> Self {
        Self { client, id }
    }

    /// The machine's id.
    #[must_use]
    pub fn id(&self) -> &MachineId {
        &self.id
    }

    /// *Remove app restriction*: lets any code run again. See [`UnrestrictCodeExecution`].
    pub fn unrestrict_code_execution(&self, comment: impl Into<String>) -> Perform<UnrestrictCodeExecution> {
        self.perform_checked(UnrestrictCodeExecution::new(comment))
    }

    /// *Restrict app execution*: lets only code that Microsoft signed run. See [`RestrictCodeExecution`].
    pub fn restrict_code_execution(&self, comment: impl Into<String>) -> Perform<RestrictCodeExecution> {
        self.perform_checked(RestrictCodeExecution::new(comment))
    }

    /// *Isolate*: cuts the machine off the network, fully unless an adjective of [`Perform<Isolate>`] says otherwise. See
    /// [`Isolate`].
    pub fn isolate(&self, comment: impl Into<String>) -> Perform<Isolate> {
        self.perform_checked(Isolate::new(comment, IsolationType::Full))
    }

    /// *Release from isolation*: lets the machine back to the network. See [`Unisolate`].
    pub fn unisolate(&self, comment: impl Into<String>) -> Perform<Unisolate> {
        self.perform_checked(Unisolate::new(comment))
    }

    /// *Run antivirus scan*: looks for malware. See [`RunAntiVirusScan`].
    pub fn run_antivirus_scan(&self, comment: impl Into<String>, scan_type: ScanType) -> Perform<RunAntiVirusScan> {
        self.perform_checked(RunAntiVirusScan::new(comment, scan_type))
    }

    /// *Stop and quarantine file*: ends what runs the file, and puts it away. See [`StopAndQuarantineFile`].
    pub fn stop_and_quarantine_file(&self, comment: impl Into<String>, sha1: Sha1) -> Perform<StopAndQuarantineFile> {
        self.perform_checked(StopAndQuarantineFile::new(comment, sha1))
    }

    /// *Collect investigation package*: gathers the machine's state for download. See [`CollectInvestigationPackage`].
    pub fn collect_investigation_package(&self, comment: impl Into<String>) -> Perform<CollectInvestigationPackage> {
        self.perform_checked(CollectInvestigationPackage::new(comment))
    }

    /// *Run live response*: runs commands in a session. See [`LiveResponse`], also for what makes commands an error of the
    /// await.
    pub fn run_live_response(
        &self,
        comment: impl Into<String>,
        commands: impl IntoIterator<Item = LiveResponseCommand>,
    ) -> Perform<LiveResponse> {
        self.perform_checked(LiveResponse::new(comment, commands))
    }

    /// *Offboard*: takes the machine out of the service, which cannot be undone from here. See [`Offboard`].
    pub fn offboard(&self, comment: impl Into<String>) -> Perform<Offboard> {
        self.perform_checked(Offboard::new(comment))
    }

    /// Any action, also one that this library does not know: see [`Action`].
    pub fn perform<A: Action>(&self, action: A) -> Perform<A> {
        self.perform_checked(Ok(action))
    }

    fn perform_checked<A: Action>(&self, action: Result<A, defender_model::Error>) -> Perform<A> {
        Perform::new(self.client.clone(), self.id.clone(), action)
    }
}
