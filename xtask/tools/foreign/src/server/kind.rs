//! The actions that the server knows.

/// An action on a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    Restrict,
    Unrestrict,
    Isolate,
    Unisolate,
    Scan,
    Quarantine,
    Collect,
}

impl Kind {
    pub(crate) const ALL: [Self; 7] =
        [Self::Restrict, Self::Unrestrict, Self::Isolate, Self::Unisolate, Self::Scan, Self::Quarantine, Self::Collect];

    /// The last segment of the path of its POST.
    pub(crate) fn segment(self) -> &'static str {
        match self {
            Self::Restrict => "restrictCodeExecution",
            Self::Unrestrict => "unrestrictCodeExecution",
            Self::Isolate => "isolate",
            Self::Unisolate => "unisolate",
            Self::Scan => "runAntiVirusScan",
            Self::Quarantine => "StopAndQuarantineFile",
            Self::Collect => "collectInvestigationPackage",
        }
    }

    /// The word for it in a record.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Restrict => "RestrictCodeExecution",
            Self::Unrestrict => "UnrestrictCodeExecution",
            Self::Isolate => "Isolate",
            Self::Unisolate => "Unisolate",
            Self::Scan => "RunAntiVirusScan",
            Self::Quarantine => "StopAndQuarantineFile",
            Self::Collect => "CollectInvestigationPackage",
        }
    }

    /// The action of a path's segment, in any letter case.
    pub(crate) fn of_segment(segment: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.segment().eq_ignore_ascii_case(segment))
    }
}
