//! The settings of records, headers and bodies.

use crate::{
    Comments, CreatedStatus, DateHeader, Deflate, EmulatorBuilder, ExternalIds, JsonStyle, Particulars, Requestor,
    Rows, Transcripts,
};

impl EmulatorBuilder {
    /// Compresses the API's responses unasked. Default: [`Deflate::Off`].
    pub fn deflate(mut self, deflate: Deflate) -> Self {
        self.settings.deflate = deflate;
        self
    }

    /// Sets the status of a new action's response. Default: [`CreatedStatus::Documented`].
    pub fn created_status(mut self, created: CreatedStatus) -> Self {
        self.settings.created = created;
        self
    }

    /// The form of the JSON. Default: [`JsonStyle::default`].
    pub fn json_style(mut self, style: JsonStyle) -> Self {
        self.settings.behaviors.spelling.json = style;
        self
    }

    /// Sets the `requestor` of an application's records. Default: [`Requestor::DisplayName`].
    pub fn requestor(mut self, requestor: Requestor) -> Self {
        self.settings.behaviors.spelling.requestor = requestor;
        self
    }

    /// Sets the time at which a record states its `scope` and `relatedFileInfo`. Default: [`Particulars::AfterPending`].
    pub fn particulars(mut self, particulars: Particulars) -> Self {
        self.settings.behaviors.spelling.particulars = particulars;
        self
    }

    /// Sets the comment of records. Default: [`Comments::Blank`].
    pub fn comments(mut self, comments: Comments) -> Self {
        self.settings.behaviors.spelling.comments = comments;
        self
    }

    /// Sets the `externalId` of records. Default: [`ExternalIds::Echoed`].
    pub fn external_ids(mut self, external_ids: ExternalIds) -> Self {
        self.settings.behaviors.spelling.external_ids = external_ids;
        self
    }

    /// Makes rows of lists, and single actions, unreadable. Default: [`Rows::Readable`].
    pub fn rows(mut self, rows: Rows) -> Self {
        self.settings.behaviors.spelling.rows = rows;
        self
    }

    /// Sets the `Date` header of responses. Default: [`DateHeader::Clock`].
    pub fn date_header(mut self, date: DateHeader) -> Self {
        self.settings.behaviors.date = date;
        self
    }

    /// Sets the storage of a script's transcript. Default: [`Transcripts::Plain`].
    pub fn transcripts(mut self, transcripts: Transcripts) -> Self {
        self.settings.transcripts = transcripts;
        self
    }
}
