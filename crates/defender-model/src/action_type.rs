//! What kind of action it is.

use crate::open_enum::open_enum;

open_enum! {
    /// What kind of machine action it is.
    ///
    /// Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/machineaction>; `RequestSample` is in no page of
    /// the service and was seen in other clients.
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
    }
}
