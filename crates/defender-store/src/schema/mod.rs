//! The schema, and the check of the schema that a store finds.
//!
//! A version is never changed once it is released: a change is a new version with the statements that lead to it.

/// Version of the schema that this crate writes.
pub(crate) const VERSION: i64 = 2;

/// Schema that a store finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// There are no tables.
    Nothing,
    /// The tables of this crate, in this version.
    Version(i64),
    /// Tables of another program.
    Foreign,
}

/// Decision on the schema that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Run the statements of the versions after this one.
    MigrateFrom(i64),
    Nothing,
}

impl Found {
    /// Decides what to do. The error states what was found and what to do.
    pub(crate) fn step(self) -> Result<Step, String> {
        match self {
            Self::Nothing => Ok(Step::MigrateFrom(0)),
            Self::Version(version) if version == VERSION => Ok(Step::Nothing),
            Self::Version(version) if (1..VERSION).contains(&version) => Ok(Step::MigrateFrom(version)),
            Self::Version(version) => Err(format!(
                "the schema has version {version}, and this version of defender-store knows versions up to {VERSION}; \
                 update the program"
            )),
            Self::Foreign => {
                Err("the tables belong to another program; use a database or schema of its own".to_owned())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_and_foreign_schemas_are_refused() {
        assert_eq!(Found::Nothing.step(), Ok(Step::MigrateFrom(0)));
        assert_eq!(Found::Version(VERSION).step(), Ok(Step::Nothing));
        assert!(Found::Version(VERSION + 1).step().unwrap_err().contains("update the program"));
        assert!(Found::Foreign.step().unwrap_err().contains("another program"));
    }
}
