//! The transcript of a live response script.

use crate::{Error, ErrorKind, read_json, sanitize_line, wire::resource::resource};

/// Longest quotation of a JSON error, in characters.
const LONGEST: usize = 300;

resource! {
    /// The transcript of a live response script.
    ///
    /// The text comes from the machine and may be hostile: escape it before you print it. It may end in NUL characters.
    ///
    /// Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/get-live-response-result>; the names in brackets
    /// are those of older pages.
    ///
    /// ```
    /// use defender_model::Transcript;
    ///
    /// let transcript = Transcript::parse(b"{\"script_name\":\"a.ps1\",\"exit_code\":0,\"script_output\":\"fine\"}\0\0")?;
    /// assert_eq!(transcript.exit_code, Some(0));
    /// # Ok::<(), defender_model::Error>(())
    /// ```
    pub struct Transcript ("a transcript") {
        /// Name of the script (`name`).
        script_name: Option<String> = "script_name" | "name",
        /// Exit code of the script.
        exit_code: Option<i32> = "exit_code",
        /// Output of the script.
        script_output: Option<String> = "script_output",
        /// Error output of the script (`script_error`).
        script_errors: Option<String> = "script_errors" | "script_error",
    }
}

impl Transcript {
    /// Reads a downloaded transcript, after decompression if it was compressed with gzip. A leading byte order mark and trailing
    /// NULs are ignored.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidTranscript`] if the bytes are not a JSON object; the text has the position of the fault.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        read_json(bytes).map_err(|error: serde_json::Error| {
            let why = sanitize_line(&error.to_string(), LONGEST);
            Error::new(ErrorKind::InvalidTranscript, format!("cannot read the live response transcript: {why}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nuls_and_older_names_are_accepted() {
        let older =
            Transcript::parse(b"\xef\xbb\xbf{\"name\":\"a\",\"exit_code\":\"1\",\"script_error\":\"no\\u0000\"}\0\0\0");
        let older = older.unwrap();
        assert_eq!((older.script_name.as_deref(), older.exit_code), (Some("a"), Some(1)));
        assert_eq!(older.script_errors.as_deref(), Some("no\0"));
    }

    #[test]
    fn invalid_transcript_error_states_the_reason() {
        for bytes in [&b""[..], b"\0\0", b"[]", b"Access denied", b"\xff\xfe{"] {
            let error = Transcript::parse(bytes).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidTranscript);
            assert!(error.to_string().contains("cannot read"), "{error}");
        }
    }
}
