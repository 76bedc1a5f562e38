//! The actions that a machine can be told to take.

/// One action: where it is asked for, what the service calls it, and who may ask.
#[derive(Debug)]
pub(crate) struct ActionKind {
    /// The last segment of its path, as the documentation prints it.
    pub(crate) segment: &'static str,
    /// Its word in a machine action's `type`.
    pub(crate) word: &'static str,
    /// The application permissions of which any one allows it.
    pub(crate) roles: &'static [&'static str],
}

impl ActionKind {
    /// Source: <https://learn.microsoft.com/defender-endpoint/api/restrict-code-execution> and
    /// <https://learn.microsoft.com/defender-endpoint/api/unrestrict-code-execution>; the words of `type` from
    /// <https://learn.microsoft.com/defender-endpoint/api/machineaction>.
    pub(crate) const ALL: &'static [Self] = &[
        Self { segment: "restrictCodeExecution", word: "RestrictCodeExecution", roles: &["Machine.RestrictExecution"] },
        Self {
            segment: "unrestrictCodeExecution",
            word: "UnrestrictCodeExecution",
            roles: &["Machine.RestrictExecution"],
        },
    ];
}
