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
        /// Name of the file, which identifies it.
        file_name: String = "fileName",
        /// Hash of the content.
        sha256: Option<String> = "sha256",
        /// Description of the file.
        description: Option<String> = "description",
        /// Time of the first upload.
        creation_time: Option<Timestamp> = "creationTime",
        /// Time of the last upload.
        last_updated_time: Option<Timestamp> = "lastUpdatedTime",
        /// User or application that uploaded the file.
        created_by: Option<String> = "createdBy",
        /// `true` if the script has parameters.
        has_parameters: Option<bool> = "hasParameters",
        /// Description of the parameters.
        parameters_description: Option<String> = "parametersDescription",
    }
}
