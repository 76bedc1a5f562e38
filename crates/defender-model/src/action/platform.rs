//! The systems that an action supports.

/// The systems that an action supports, as far as the service's page states them. A machine with a system that is not listed
/// here is not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Platforms {
    /// First supported version of Windows 10, such as 1709; 0 if the page names none.
    pub windows_10: u32,
    /// Support of Windows versions before 10 and before Server 2019.
    pub older_windows: bool,
    /// Support of Linux.
    pub linux: bool,
    /// Support of macOS.
    pub mac: bool,
    /// Systems that the page names, as a text to follow "needs".
    pub needs: &'static str,
}

impl Platforms {
    /// All systems that the sensor supports.
    pub const ANY: Self =
        Self { windows_10: 0, older_windows: true, linux: true, mac: true, needs: "Windows, macOS or Linux" };

    /// Creates a value for Windows alone: from this version of Windows 10 and from Server 2019 on. `needs` is the text of
    /// [`needs`](Self::needs).
    #[must_use]
    pub const fn windows(windows_10: u32, needs: &'static str) -> Self {
        Self { windows_10, older_windows: false, linux: false, mac: false, needs }
    }

    /// Adds Windows versions before 10 and before Server 2019.
    #[must_use]
    pub const fn and_older_windows(self) -> Self {
        Self { older_windows: true, ..self }
    }

    /// Adds Linux.
    #[must_use]
    pub const fn and_linux(self) -> Self {
        Self { linux: true, ..self }
    }

    /// Adds macOS.
    #[must_use]
    pub const fn and_mac(self) -> Self {
        Self { mac: true, ..self }
    }
}
