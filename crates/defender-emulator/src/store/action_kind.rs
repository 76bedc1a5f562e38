//! The actions of machines.

use crate::http::operation::Operation;

/// One kind of action: its path, its type, and the properties of its POST.
#[derive(Debug)]
pub(crate) struct ActionKind {
    /// The last segment of its path, as the documentation prints it.
    pub(crate) segment: &'static str,
    /// The `type` of its machine actions.
    pub(crate) type_name: &'static str,
    pub(crate) operation: Operation,
    pub(crate) asks: Asks,
}

/// The properties of an action's POST besides `Comment` and `ExternalId`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asks {
    Nothing,
    /// `IsolationType`, which its table does not call required; `Full` where it is left out is inferred.
    Isolation,
    /// `ScanType`, required.
    Scan,
    /// `Sha1`, required.
    File,
    /// `Commands`, required; `Comment` is not.
    Commands,
}

impl ActionKind {
    /// Segments and bodies from the page of each, such as
    /// <https://learn.microsoft.com/defender-endpoint/api/isolate-machine>; the values of `type` from
    /// <https://learn.microsoft.com/defender-endpoint/api/machineaction>.
    pub(crate) const ALL: &'static [Self] = &[
        Self::new("restrictCodeExecution", "RestrictCodeExecution", Operation::RestrictCodeExecution, Asks::Nothing),
        Self::new(
            "unrestrictCodeExecution",
            "UnrestrictCodeExecution",
            Operation::UnrestrictCodeExecution,
            Asks::Nothing,
        ),
        Self::new("isolate", "Isolate", Operation::Isolate, Asks::Isolation),
        Self::new("unisolate", "Unisolate", Operation::Unisolate, Asks::Nothing),
        Self::new("runAntiVirusScan", "RunAntiVirusScan", Operation::RunAntiVirusScan, Asks::Scan),
        Self::new("offboard", "Offboard", Operation::Offboard, Asks::Nothing),
        Self::new("StopAndQuarantineFile", "StopAndQuarantineFile", Operation::StopAndQuarantineFile, Asks::File),
        Self::new(
            "collectInvestigationPackage",
            "CollectInvestigationPackage",
            Operation::CollectInvestigationPackage,
            Asks::Nothing,
        ),
        Self::new("runliveresponse", "LiveResponse", Operation::RunLiveResponse, Asks::Commands),
    ];

    const fn new(segment: &'static str, type_name: &'static str, operation: Operation, asks: Asks) -> Self {
        Self { segment, type_name, operation, asks }
    }

    /// The action that `operation` asks for.
    pub(crate) fn of(operation: Operation) -> Option<&'static Self> {
        Self::ALL.iter().find(|kind| kind.operation == operation)
    }
}
