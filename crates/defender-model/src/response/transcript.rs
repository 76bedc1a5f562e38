//! What a script of live response said.

use crate::{Error, ErrorKind, read_json, sanitize_line, wire::resource::resource};

/// What cannot be read may be long, and is quoted.
const LONGEST: usize = 300;

resource! {
    /// What a script of live response said.
    ///
    /// Its text comes from the machine, so it is whatever somebody wants you to read: escape it before you print it. It may
    /// end in NUL characters.
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
        /// The script (`name`).
        script_name: Option<String> = "script_name" | "name",
        /// What it ended with.
        exit_code: Option<i32> = "exit_code",
        /// What it printed.
        script_output: Option<String> = "script_output",
        /// What it printed as errors (`script_error`).
        script_errors: Option<String> = "script_errors" | "script_error",
    }
}

impl Transcript {
    /// Reads a transcript as it was downloaded, after gzip if it came so: a byte order mark before it and NULs behind it are
    /// passed over.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidTranscript`] where it is no JSON object; the message says where it goes wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        read_json(bytes).map_err(|error: serde_json::Error| {
            let why = sanitize_line(&error.to_string(), LONGEST);
            Error::new(ErrorKind::InvalidTranscript, format!("the transcript of live response cannot be read: {why}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nuls_and_older_names_are_taken() {
        let older =
            Transcript::parse(b"\xef\xbb\xbf{\"name\":\"a\",\"exit_code\":\"1\",\"script_error\":\"no\\u0000\"}\0\0\0");
        let older = older.unwrap();
        assert_eq!((older.script_name.as_deref(), older.exit_code), (Some("a"), Some(1)));
        assert_eq!(older.script_errors.as_deref(), Some("no\0"));
    }

    #[test]
    fn what_is_no_transcript_is_an_error_with_words() {
        for bytes in [&b""[..], b"\0\0", b"[]", b"Access denied", b"\xff\xfe{"] {
            let error = Transcript::parse(bytes).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidTranscript);
            assert!(error.to_string().contains("cannot be read"), "{error}");
        }
    }
}
