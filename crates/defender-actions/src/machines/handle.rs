//! The handle of a machine.

use defender_model::{
    Action, CollectInvestigationPackage, DeviceValue, Isolate, IsolationType, LiveResponse, LiveResponseCommand,
    Machine, MachineId, Offboard, RestrictCodeExecution, RunAntiVirusScan, ScanType, SetDeviceValue, Sha1,
    StopAndQuarantineFile, TagAction, TagMachine, Unisolate, UnrestrictCodeExecution, UpdateMachine,
};
use serde::Serialize;

use crate::{
    ActionRequest, DefenderClient, Error, ErrorKind, Request, SuitabilityIssue,
    client::{call::Call, operation::Operation},
    machines::{
        record::{another, read},
        suitability::suitability_issues,
    },
};

impl DefenderClient {
    /// Returns the handle of a machine. Nothing is sent, so the machine may not exist.
    #[must_use]
    pub fn machine(&self, id: MachineId) -> MachineHandle {
        MachineHandle::new(self.clone(), id)
    }

    /// Returns the handle of the machine of a record, such as one that a search has found. Nothing is sent.
    ///
    /// ```no_run
    /// # async fn example(defender: defender_actions::DefenderClient) -> Result<(), defender_actions::Error> {
    /// let found = defender.machines().find("ws-eng-04.contoso.com").await?;
    /// println!("{:?}, last seen {:?}", found.os_platform, found.last_seen);
    /// defender.machine_of(&found).isolate("Ransomware").await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn machine_of(&self, record: &Machine) -> MachineHandle {
        self.machine(record.id.clone())
    }
}

/// Handle of one machine: its actions and its record. It owns its client.
///
/// Each action has a comment. The service requires one, and the audit trail shows it unchanged. An empty or blank comment is an error
/// of the await, and nothing is sent.
///
/// ```no_run
/// use defender_actions::{DefenderClient, model::ScanType};
///
/// # async fn example(defender: DefenderClient) -> Result<(), defender_actions::Error> {
/// let found = defender.machines().find("ws-eng-04.contoso.com").await?;
/// let machine = defender.machine_of(&found);
/// machine.isolate("Ransomware").await?.wait().await?;
/// machine.run_antivirus_scan("Ransomware", ScanType::Full).await?;
/// machine.add_tag("under investigation").await?;
/// println!("{:?}", machine.get().await?.health_status);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct MachineHandle {
    client: DefenderClient,
    id: MachineId,
}

impl MachineHandle {
    pub(crate) fn new(client: DefenderClient, id: MachineId) -> Self {
        Self { client, id }
    }

    /// Returns the machine's id.
    #[must_use]
    pub fn id(&self) -> &MachineId {
        &self.id
    }

    /// *Remove app restriction*: allows all code to run again. See [`UnrestrictCodeExecution`].
    pub fn unrestrict_code_execution(&self, comment: impl Into<String>) -> ActionRequest<UnrestrictCodeExecution> {
        self.perform_checked(UnrestrictCodeExecution::new(comment))
    }

    /// *Restrict app execution*: allows only code that Microsoft signed. See [`RestrictCodeExecution`].
    pub fn restrict_code_execution(&self, comment: impl Into<String>) -> ActionRequest<RestrictCodeExecution> {
        self.perform_checked(RestrictCodeExecution::new(comment))
    }

    /// *Isolate*: disconnects the machine from the network. The isolation is full, unless a method of [`ActionRequest<Isolate>`] sets
    /// another type. See [`Isolate`].
    pub fn isolate(&self, comment: impl Into<String>) -> ActionRequest<Isolate> {
        self.perform_checked(Isolate::new(comment, IsolationType::Full))
    }

    /// *Release from isolation*: reconnects the machine to the network. See [`Unisolate`].
    pub fn unisolate(&self, comment: impl Into<String>) -> ActionRequest<Unisolate> {
        self.perform_checked(Unisolate::new(comment))
    }

    /// *Run antivirus scan*: scans for malware. See [`RunAntiVirusScan`].
    pub fn run_antivirus_scan(
        &self,
        comment: impl Into<String>,
        scan_type: ScanType,
    ) -> ActionRequest<RunAntiVirusScan> {
        self.perform_checked(RunAntiVirusScan::new(comment, scan_type))
    }

    /// *Stop and quarantine file*: ends the processes of the file and moves the file to quarantine. See [`StopAndQuarantineFile`].
    pub fn stop_and_quarantine_file(
        &self,
        comment: impl Into<String>,
        sha1: Sha1,
    ) -> ActionRequest<StopAndQuarantineFile> {
        self.perform_checked(StopAndQuarantineFile::new(comment, sha1))
    }

    /// *Collect investigation package*: collects the machine's state for download. See [`CollectInvestigationPackage`].
    pub fn collect_investigation_package(
        &self,
        comment: impl Into<String>,
    ) -> ActionRequest<CollectInvestigationPackage> {
        self.perform_checked(CollectInvestigationPackage::new(comment))
    }

    /// *Run live response*: runs commands in a session. See [`LiveResponse`], which also lists the invalid commands: they are an error
    /// of the await.
    pub fn run_live_response(
        &self,
        comment: impl Into<String>,
        commands: impl IntoIterator<Item = LiveResponseCommand>,
    ) -> ActionRequest<LiveResponse> {
        self.perform_checked(LiveResponse::new(comment, commands))
    }

    /// *Offboard*: removes the machine from the service. The API cannot undo this. See [`Offboard`].
    pub fn offboard(&self, comment: impl Into<String>) -> ActionRequest<Offboard> {
        self.perform_checked(Offboard::new(comment))
    }

    /// Performs any action, also one that this library does not have: see [`Action`].
    pub fn perform<A: Action>(&self, action: A) -> ActionRequest<A> {
        self.perform_checked(Ok(action))
    }

    fn perform_checked<A: Action>(&self, action: Result<A, defender_model::Error>) -> ActionRequest<A> {
        ActionRequest::new(self.client.clone(), self.id.clone(), action)
    }
}

/// The record of the machine.
impl MachineHandle {
    /// Reads the machine's record.
    ///
    /// Permission: `Machine.ReadWrite.All`, for a user `Machine.ReadWrite`. The page of the list of machines names `Machine.Read.All`
    /// and `Machine.Read` as well. Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/get-machine-by-id>.
    pub fn get(&self) -> Request<Machine> {
        let id = self.id.clone();
        Request::new(&self.client, Ok(read(&id)), move |client, call| read_record(client, id, call))
    }

    /// Reads the machine's record and returns the issues of an action of the type `A` on it, with cautions. An empty list means that no
    /// issue is known.
    ///
    /// ```no_run
    /// # use defender_actions::{DefenderClient, model::RestrictCodeExecution};
    /// # async fn example(defender: DefenderClient) -> Result<(), Box<dyn std::error::Error>> {
    /// for issue in defender.machine("m1".parse()?).check::<RestrictCodeExecution>().await? {
    ///     eprintln!("caution: {issue}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn check<A: Action>(&self) -> Request<Vec<SuitabilityIssue>> {
        let id = self.id.clone();
        Request::new(&self.client, Ok(read(&id)), move |client, call| async move {
            Ok(suitability_issues((A::TYPE, A::PLATFORMS), None, &read_record(client, id, call).await?))
        })
    }

    /// Adds a tag to the machine and returns its record. The record of another machine is
    /// [`InvalidResponse`](ErrorKind::InvalidResponse), as with each change below.
    ///
    /// Permission: `Machine.ReadWrite.All`, for a user `Machine.ReadWrite`. Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/add-or-remove-machine-tags>.
    ///
    /// For many machines in one call: [`Machines::add_tag`](crate::Machines::add_tag).
    pub fn add_tag(&self, tag: impl Into<String>) -> Request<Machine> {
        self.change(Operation::TAG_MACHINE, "/tags", TagMachine::new(tag, TagAction::Add))
    }

    /// Removes a tag from the machine: as [`add_tag`](Self::add_tag).
    pub fn remove_tag(&self, tag: impl Into<String>) -> Request<Machine> {
        self.change(Operation::TAG_MACHINE, "/tags", TagMachine::new(tag, TagAction::Remove))
    }

    /// Sets the device value, which is the importance of the machine, and returns its record.
    ///
    /// Permission: `Machine.ReadWrite.All`, for a user `Machine.ReadWrite`. Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/set-device-value>.
    pub fn set_device_value(&self, value: DeviceValue) -> Request<Machine> {
        self.change(Operation::SET_DEVICE_VALUE, "/setDeviceValue", Ok(SetDeviceValue::new(value)))
    }

    /// Changes the machine's record: replaces all its tags, or sets its value. Returns the record.
    ///
    /// Permission: `Machine.ReadWrite.All`, for a user `Machine.ReadWrite`. Source:
    /// <https://learn.microsoft.com/en-us/defender-endpoint/api/update-machine-method>.
    pub fn update(&self, update: UpdateMachine) -> Request<Machine> {
        self.change(Operation::UPDATE_MACHINE, "", Ok(update))
    }

    fn change<B: Serialize>(
        &self,
        operation: Operation,
        below: &str,
        body: Result<B, defender_model::Error>,
    ) -> Request<Machine> {
        let id = self.id.clone();
        let call = Call::new(operation, format!("/machines/{id}{below}")).json(body).and_then(|call| {
            let is_empty = call.body.as_deref() == Some(b"{}");
            let invalid = || Error::new(ErrorKind::Request).context(call.context());
            if is_empty { Err(invalid().caused_by("the update is empty; set the tags or the value")) } else { Ok(call) }
        });
        Request::new(&self.client, call, move |client, call| read_record(client, id, call))
    }
}

/// Makes a call and returns the record of its response, which must be the record of the machine with this id.
async fn read_record(client: DefenderClient, id: MachineId, call: Call) -> Result<Machine, Error> {
    let context = call.context();
    let machine: Machine = client.inner().call(call).await?;
    // The service also accepts a name in place of the id, and the id may be the name of another machine.
    let is_it = machine.id.as_str().eq_ignore_ascii_case(id.as_str());
    if is_it { Ok(machine) } else { Err(another(context, &machine)) }
}
