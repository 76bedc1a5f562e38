//! Secrets stay out of files of the system: no core dump.

/// Denies core dumps of this process and, on Linux, reading its memory by other processes of the user.
///
/// A failure is ignored: a system that knows no limit writes no dump by it.
pub(crate) fn deny_core_dumps() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

        let limit = getrlimit(Resource::Core);
        let _denied = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: limit.maximum });
    }
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};

        // A pattern with a pipe (`core_pattern`) ignores the limit of size 0 in some versions of Linux; this does not.
        let _denied = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}
