//! The systems that an action supports.

/// The systems that an action supports, as far as its page says. A record of a system that is not named here is not held
/// against a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Platforms {
    /// The first version of Windows 10, such as 1709; 0 where none is named.
    pub windows_10: u32,
    /// Versions of Windows before 10 and before Server 2019.
    pub older_windows: bool,
    /// Linux.
    pub linux: bool,
    /// macOS.
    pub mac: bool,
    /// What the page names, in words that follow "needs".
    pub needs: &'static str,
}

impl Platforms {
    /// All that a sensor runs on.
    pub const ANY: Self =
        Self { windows_10: 0, older_windows: true, linux: true, mac: true, needs: "Windows, macOS or Linux" };

    /// Windows from this version of Windows 10 and from Server 2019 on, and nothing else, in the words of `needs`.
    #[must_use]
    pub const fn windows(windows_10: u32, needs: &'static str) -> Self {
        Self { windows_10, older_windows: false, linux: false, mac: false, needs }
    }

    /// Versions of Windows before 10 and before Server 2019 as well.
    #[must_use]
    pub const fn and_older_windows(self) -> Self {
        Self { older_windows: true, ..self }
    }

    /// Linux as well.
    #[must_use]
    pub const fn and_linux(self) -> Self {
        Self { linux: true, ..self }
    }

    /// macOS as well.
    #[must_use]
    pub const fn and_mac(self) -> Self {
        Self { mac: true, ..self }
    }
}
