//! A file of the live response library.

use jiff::Timestamp;

use crate::wire::resource::resource;

resource! {
    /// A file of the live response library.
    ///
    /// Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/list-library-files>.
    ///
    /// ```
    /// use defender_model::LibraryFile;
    ///
    /// let file: LibraryFile = serde_json::from_str(r#"{"fileName": "script1.ps1", "hasParameters": true}"#)?;
    /// assert_eq!(file.file_name, "script1.ps1");
    /// assert_eq!(file.has_parameters, Some(true));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub struct LibraryFile ("a library file") {
        [required]
        /// Its name, which is also what it is known by.
        file_name: String = "fileName",
        /// The hash of its content.
        sha256: Option<String> = "sha256",
        /// What it is for.
        description: Option<String> = "description",
        /// When it was first uploaded.
        creation_time: Option<Timestamp> = "creationTime",
        /// When it was last uploaded.
        last_updated_time: Option<Timestamp> = "lastUpdatedTime",
        /// Who uploaded it.
        created_by: Option<String> = "createdBy",
        /// Whether it takes arguments.
        has_parameters: Option<bool> = "hasParameters",
        /// What arguments it takes.
        parameters_description: Option<String> = "parametersDescription",
    }
}
