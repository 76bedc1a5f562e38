//! One machine, and what can be done to it.

use std::time::Duration;

use defender_model::{
    Action, CollectInvestigationPackage, DeviceValue, Isolate, IsolationType, LiveResponse, LiveResponseCommand,
    Machine, MachineId, Offboard, RestrictCodeExecution, RunAntiVirusScan, ScanType, SetDeviceValue, Sha1,
    StopAndQuarantineFile, TagAction, TagMachine, Unisolate, UnrestrictCodeExecution, UpdateMachine,
};
use serde::Serialize;

use crate::{
    ActionRequest, Ask, DefenderClient, Error, ErrorKind, SuitabilityIssue,
    client::{call::Call, operation::Operation},
    machines::{another, read, suitability::concerns},
};

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
    pub fn unrestrict_code_execution(&self, comment: impl Into<String>) -> ActionRequest<UnrestrictCodeExecution> {
        self.perform_checked(UnrestrictCodeExecution::new(comment))
    }

    /// *Restrict app execution*: lets only code that Microsoft signed run. See [`RestrictCodeExecution`].
    pub fn restrict_code_execution(&self, comment: impl Into<String>) -> ActionRequest<RestrictCodeExecution> {
        self.perform_checked(RestrictCodeExecution::new(comment))
    }

    /// *Isolate*: cuts the machine off the network, fully unless an adjective of [`ActionRequest<Isolate>`] says otherwise. See
    /// [`Isolate`].
    pub fn isolate(&self, comment: impl Into<String>) -> ActionRequest<Isolate> {
        self.perform_checked(Isolate::new(comment, IsolationType::Full))
    }

    /// *Release from isolation*: lets the machine back to the network. See [`Unisolate`].
    pub fn unisolate(&self, comment: impl Into<String>) -> ActionRequest<Unisolate> {
        self.perform_checked(Unisolate::new(comment))
    }

    /// *Run antivirus scan*: looks for malware. See [`RunAntiVirusScan`].
    pub fn run_antivirus_scan(
        &self,
        comment: impl Into<String>,
        scan_type: ScanType,
    ) -> ActionRequest<RunAntiVirusScan> {
        self.perform_checked(RunAntiVirusScan::new(comment, scan_type))
    }

    /// *Stop and quarantine file*: ends what runs the file, and puts it away. See [`StopAndQuarantineFile`].
    pub fn stop_and_quarantine_file(
        &self,
        comment: impl Into<String>,
        sha1: Sha1,
    ) -> ActionRequest<StopAndQuarantineFile> {
        self.perform_checked(StopAndQuarantineFile::new(comment, sha1))
    }

    /// *Collect investigation package*: gathers the machine's state for download. See [`CollectInvestigationPackage`].
    pub fn collect_investigation_package(
        &self,
        comment: impl Into<String>,
    ) -> ActionRequest<CollectInvestigationPackage> {
        self.perform_checked(CollectInvestigationPackage::new(comment))
    }

    /// *Run live response*: runs commands in a session. See [`LiveResponse`], also for what makes commands an error of the
    /// await.
    pub fn run_live_response(
        &self,
        comment: impl Into<String>,
        commands: impl IntoIterator<Item = LiveResponseCommand>,
    ) -> ActionRequest<LiveResponse> {
        self.perform_checked(LiveResponse::new(comment, commands))
    }

    /// *Offboard*: takes the machine out of the service, which cannot be undone from here. See [`Offboard`].
    pub fn offboard(&self, comment: impl Into<String>) -> ActionRequest<Offboard> {
        self.perform_checked(Offboard::new(comment))
    }

    /// Any action, also one that this library does not know: see [`Action`].
    pub fn perform<A: Action>(&self, action: A) -> ActionRequest<A> {
        self.perform_checked(Ok(action))
    }

    fn perform_checked<A: Action>(&self, action: Result<A, defender_model::Error>) -> ActionRequest<A> {
        ActionRequest::new(self.client.clone(), self.id.clone(), action)
    }
}

/// Its record.
impl MachineHandle {
    /// Reads the machine's record. Needs the permission `Machine.ReadWrite.All`, of a user `Machine.ReadWrite`; the page of the list
    /// of machines names `Machine.Read.All` and `Machine.Read` as well. Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/get-machine-by-id>.
    pub fn get(&self) -> Ask<Machine> {
        let handle = self.clone();
        Ask::new(move |timeout| handle.read_record(timeout))
    }

    /// Reads the machine's record and says what speaks against an action of the type `A`, and what to know before; an empty list says
    /// that nothing is known to.
    ///
    /// ```no_run
    /// # use defender_actions::{DefenderClient, model::RestrictCodeExecution};
    /// # async fn example(defender: DefenderClient) -> Result<(), Box<dyn std::error::Error>> {
    /// for concern in defender.machine("m1".parse()?).check::<RestrictCodeExecution>().await? {
    ///     eprintln!("careful: {concern}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn check<A: Action>(&self) -> Ask<Vec<SuitabilityIssue>> {
        let handle = self.clone();
        Ask::new(move |timeout| async move {
            Ok(concerns((A::TYPE, A::PLATFORMS), None, &handle.read_record(timeout).await?))
        })
    }

    /// Adds a tag to the machine and returns its record; the record of another machine is
    /// [`InvalidResponse`](ErrorKind::InvalidResponse), as with each change below. Needs the permission `Machine.ReadWrite.All`, of a user
    /// `Machine.ReadWrite`. Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/add-or-remove-machine-tags>.
    ///
    /// For many machines at once: [`Machines::add_tag`](crate::Machines::add_tag).
    pub fn add_tag(&self, tag: impl Into<String>) -> Ask<Machine> {
        self.change(Operation::TAG_MACHINE, "/tags", TagMachine::new(tag, TagAction::Add))
    }

    /// Takes a tag off the machine: as [`add_tag`](Self::add_tag).
    pub fn remove_tag(&self, tag: impl Into<String>) -> Ask<Machine> {
        self.change(Operation::TAG_MACHINE, "/tags", TagMachine::new(tag, TagAction::Remove))
    }

    /// Says how much the machine matters. The answer is its record. Needs the permission `Machine.ReadWrite.All`, of a user
    /// `Machine.ReadWrite`. Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/set-device-value>.
    pub fn set_device_value(&self, value: DeviceValue) -> Ask<Machine> {
        self.change(Operation::SET_DEVICE_VALUE, "/setDeviceValue", Ok(SetDeviceValue::new(value)))
    }

    /// Changes what is kept about the machine: all its tags at once, or its value. The answer is its record. Needs the
    /// permission `Machine.ReadWrite.All`, of a user `Machine.ReadWrite`. Source:
    /// <https://learn.microsoft.com/en-us/defender-endpoint/api/update-machine-method>.
    pub fn update(&self, update: UpdateMachine) -> Ask<Machine> {
        self.change(Operation::UPDATE_MACHINE, "", Ok(update))
    }

    fn change<B: Serialize + Send + 'static>(
        &self,
        operation: Operation,
        below: &'static str,
        body: Result<B, defender_model::Error>,
    ) -> Ask<Machine> {
        let Self { client, id } = self.clone();
        Ask::new(move |timeout| async move {
            let path = format!("/machines/{id}{below}");
            let what = format!("{} {path}", operation.method);
            let unsendable = || Error::new(ErrorKind::Request).context(&*what);
            let body = body.map_err(|source| unsendable().caused_by(source))?;
            let body = serde_json::to_vec(&body).map_err(|source| unsendable().caused_by(source))?;
            if body == b"{}" {
                return Err(unsendable().caused_by("it changes nothing; set what is to be changed"));
            }
            let call = Call { operation, path, timeout, body: Some(body) };
            let machine: Machine = client.inner().call(call).await?;
            if is_of(&machine, &id) { Ok(machine) } else { Err(another(what, &machine)) }
        })
    }

    pub(crate) async fn read_record(self, timeout: Option<Duration>) -> Result<Machine, Error> {
        let path = format!("/machines/{}", self.id);
        let what = format!("GET {path}");
        let machine: Machine = self.client.inner().call(read(path, timeout)).await?;
        // The service takes a name in this place too, and the id may be somebody's name.
        if is_of(&machine, &self.id) { Ok(machine) } else { Err(another(what, &machine)) }
    }
}

/// Returns whether the record is that of the machine with this id, letter case aside.
fn is_of(machine: &Machine, id: &MachineId) -> bool {
    machine.id.as_str().eq_ignore_ascii_case(id.as_str())
}
