//! How records, headers and bodies are written.

use crate::{
    Comments, CreatedStatus, DateHeader, Deflate, EmulatorBuilder, ExternalIds, JsonStyle, Particulars, Requestor,
    Rows, Transcripts,
};

impl EmulatorBuilder {
    /// Whether the API's answers come compressed unasked. Default: [`Deflate::Off`].
    pub fn deflate(mut self, deflate: Deflate) -> Self {
        self.settings.deflate = deflate;
        self
    }

    /// With which status an action is created. Default: [`CreatedStatus::Documented`].
    pub fn created_status(mut self, created: CreatedStatus) -> Self {
        self.settings.created = created;
        self
    }

    /// The form of the JSON. Default: [`JsonStyle::default`].
    pub fn json_style(mut self, style: JsonStyle) -> Self {
        self.settings.behaviors.spelling.json = style;
        self
    }

    /// What a record says as `requestor` of an application. Default: [`Requestor::DisplayName`].
    pub fn requestor(mut self, requestor: Requestor) -> Self {
        self.settings.behaviors.spelling.requestor = requestor;
        self
    }

    /// When a record states its `scope` and `relatedFileInfo`. Default: [`Particulars::AfterPending`].
    pub fn particulars(mut self, particulars: Particulars) -> Self {
        self.settings.behaviors.spelling.particulars = particulars;
        self
    }

    /// What a record makes of the comment of its POST. Default: [`Comments::Blank`].
    pub fn comments(mut self, comments: Comments) -> Self {
        self.settings.behaviors.spelling.comments = comments;
        self
    }

    /// What a record says as `externalId`. Default: [`ExternalIds::Echoed`].
    pub fn external_ids(mut self, external_ids: ExternalIds) -> Self {
        self.settings.behaviors.spelling.external_ids = external_ids;
        self
    }

    /// Whether the rows of lists, and actions that are read, can be used as they are. Default: [`Rows::Readable`].
    pub fn rows(mut self, rows: Rows) -> Self {
        self.settings.behaviors.spelling.rows = rows;
        self
    }

    /// What the header `Date` says. Default: [`DateHeader::Clock`].
    pub fn date_header(mut self, date: DateHeader) -> Self {
        self.settings.behaviors.date = date;
        self
    }

    /// How a script's transcript is stored. Default: [`Transcripts::Plain`].
    pub fn transcripts(mut self, transcripts: Transcripts) -> Self {
        self.settings.transcripts = transcripts;
        self
    }
}
