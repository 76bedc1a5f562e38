//! What kind of action it is.

use crate::wire::open_enum::open_enum;

open_enum! {
    /// What kind of machine action it is.
    ///
    /// Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/machineaction>; those from `RequestSample` on are in no
    /// page of the service and in its OData metadata. Its word `Unknown` says nothing, so it is none of these.
    ActionType {
        /// A scan by Microsoft Defender Antivirus.
        RunAntiVirusScan = "RunAntiVirusScan",
        /// The machine leaves the service. Older samples spell it `OffboardMachine`.
        Offboard = "Offboard" | "OffboardMachine",
        /// A live response session. Older pages spell it `Live Response`.
        LiveResponse = "LiveResponse" | "Live Response",
        /// Evidence is collected into a package.
        CollectInvestigationPackage = "CollectInvestigationPackage",
        /// The machine is cut off from the network.
        Isolate = "Isolate",
        /// The machine is let back to the network.
        Unisolate = "Unisolate",
        /// A file is stopped and quarantined.
        StopAndQuarantineFile = "StopAndQuarantineFile",
        /// Only code signed by Microsoft may run.
        RestrictCodeExecution = "RestrictCodeExecution",
        /// The restriction is lifted.
        UnrestrictCodeExecution = "UnrestrictCodeExecution",
        /// A sample of a file is fetched.
        RequestSample = "RequestSample",
        /// A file is blocked.
        Block = "Block",
        /// The machine gets a new id.
        RegenerateId = "RegenerateId",
        /// A troubleshooting mode.
        Troubleshoot = "Troubleshoot",
        /// Logs are collected into a package.
        LogsCollection = "LogsCollection",
        /// A token of the machine is renewed.
        TokenRefresh = "TokenRefresh",
        /// The machine asks for its policies.
        EndpointConfigManagementCheckin = "EndpointConfigManagementCheckin",
        /// A user of Active Directory is enabled.
        EnableActiveDirectoryUser = "EnableActiveDirectoryUser",
        /// A user of Active Directory is disabled.
        DisableActiveDirectoryUser = "DisableActiveDirectoryUser",
        /// The password of a user of Active Directory is reset.
        ResetPasswordActiveDirectoryUser = "ResetPasswordActiveDirectoryUser",
        /// A playbook about Active Directory.
        ImmuneActiveDirectoryCustomPlaybook = "ImmuneActiveDirectoryCustomPlaybook",
    }
}
