//! The bytes behind a link, to their end.

mod coding;
mod refusal;
mod validator;

use std::{pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use defender_model::ActionId;
use defender_transport::{
    Error as Broken,
    extensions::{Idempotency, Read},
};
use futures_util::{Stream, StreamExt};
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};

pub(crate) use self::coding::Coding;
use self::validator::{header_text, validator};
use crate::{
    DefenderClient, Error, ErrorKind,
    files::{content_range::ContentRange, link::LinkKind, link_target::LinkTarget, sha256::Hasher},
};

/// How often a download is taken up again before something has come of it.
const RESUMES: u32 = 5;
/// How much has to come of a connection for it to have been of use.
const OF_USE: u64 = 64 << 10;
/// The pause before it is taken up again, which doubles.
const PAUSE: Duration = Duration::from_millis(500);
/// No more of the store's own error code is told.
const CODE: usize = 100;
/// How much of a refusal is read.
const REFUSAL: usize = 64 << 10;

type DecodedChunks = Pin<Box<dyn Stream<Item = Result<Bytes, Broken>> + Send>>;

/// The bytes behind a link, whatever becomes of the connections on the way: a broken one is taken up again where it broke, and
/// a link that is over is asked for anew.
pub(crate) struct Fetch {
    client: DefenderClient,
    action: ActionId,
    source: LinkKind,
    limit: u64,
    target: Option<LinkTarget>,
    pieces: Option<DecodedChunks>,
    /// How much has come, and is known to be of one and the same file.
    offset: u64,
    total: Option<u64>,
    /// The file's own tag or date, by which a change of it is seen.
    validator: Option<HeaderValue>,
    /// How the bytes are encoded, once the store has responded.
    coding: Option<Coding>,
    /// Where the part that comes ends, if it is a part.
    part_end: Option<u64>,
    /// Whether the store's parts cannot be known to be of the same file, so that it is read from its start.
    without_ranges: bool,
    hasher: Hasher,
    /// What comes again, since the store began from the start: it is left out, if it is what had come.
    again: Option<(u64, Hasher)>,
    troubles: u32,
    /// How much had come at the last trouble.
    troubled_at: u64,
    renewed_at: Option<u64>,
}

impl Fetch {
    pub(crate) fn new(client: DefenderClient, action: ActionId, source: LinkKind, limit: u64) -> Self {
        Self {
            client,
            action,
            source,
            limit,
            target: None,
            pieces: None,
            offset: 0,
            total: None,
            validator: None,
            coding: None,
            part_end: None,
            without_ranges: false,
            hasher: Hasher::default(),
            again: None,
            troubles: 0,
            troubled_at: 0,
            renewed_at: None,
        }
    }

    /// How what comes is encoded.
    pub(crate) fn coding(&self) -> Coding {
        self.coding.unwrap_or(Coding::Identity)
    }

    /// How much has come.
    pub(crate) fn received(&self) -> u64 {
        self.offset
    }

    /// How much it is, where the store says so.
    pub(crate) fn total(&self) -> Option<u64> {
        self.total
    }

    /// What has come next; `None` where it is all there.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            let Some(pieces) = &mut self.pieces else {
                if self.open().await? {
                    continue;
                }
                return Ok(None);
            };
            match pieces.next().await {
                Some(Ok(piece)) => {
                    let piece = self.take(piece)?;
                    if !piece.is_empty() {
                        return Ok(Some(piece));
                    }
                }
                Some(Err(error)) => {
                    let error = self.cleaned(error);
                    self.trouble(error).await?;
                }
                None if self.again.is_some() || self.total.is_some_and(|total| self.offset < total) => {
                    self.trouble("it ended before its end".into()).await?;
                }
                None => return Ok(None),
            }
        }
    }

    /// Of what came, what is new.
    fn take(&mut self, mut piece: Bytes) -> Result<Bytes, Error> {
        if let Some((left, hasher)) = &mut self.again {
            let old = piece.split_to(usize::try_from(*left).unwrap_or(usize::MAX).min(piece.len()));
            hasher.update(&old);
            *left = left.saturating_sub(u64::try_from(old.len()).unwrap_or(u64::MAX));
            if *left > 0 {
                return Ok(Bytes::new());
            }
            let same = hasher.so_far() == self.hasher.so_far();
            self.again = None;
            if !same {
                return Err(self.changed("what came again is not what had come"));
            }
        }
        let size = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        let offset = self.offset.saturating_add(size);
        if offset > self.limit {
            return Err(self.too_large());
        }
        if self.total.is_some_and(|total| offset > total) {
            return Err(self.changed("more came than was announced"));
        }
        if self.part_end.is_some_and(|end| offset > end) {
            return Err(self.changed("more came than the part that was announced"));
        }
        self.offset = offset;
        self.hasher.update(&piece);
        Ok(piece)
    }

    /// Notes that a connection broke, and waits before the next.
    async fn trouble(&mut self, why: Box<dyn std::error::Error + Send + Sync>) -> Result<(), Error> {
        self.pieces = None;
        self.again = None;
        if self.offset.saturating_sub(self.troubled_at) >= OF_USE {
            self.troubles = 0;
        }
        self.troubled_at = self.offset;
        self.troubles = self.troubles.saturating_add(1);
        if self.troubles > RESUMES {
            return Err(self.error(ErrorKind::Interrupted).caused_by(why));
        }
        let doubled = PAUSE.saturating_mul(1_u32.checked_shl(self.troubles.saturating_sub(1)).unwrap_or(u32::MAX));
        Arc::clone(&self.client.inner().clock).sleep(doubled).await;
        Ok(())
    }

    /// Asks for what is missing. False where nothing is.
    async fn open(&mut self) -> Result<bool, Error> {
        let target = if let Some(target) = self.target.take() {
            target
        } else {
            let link = self.source.link(&self.client, &self.action, None).await?;
            LinkTarget::of(&link).map_err(|why| self.error(ErrorKind::Refused).caused_by(why))?
        };
        let ranged = self.resumes();
        let request = self.request(&target)?;
        self.target = Some(target);
        let answer = match self.client.inner().downloads.send(request).await {
            Ok(answer) => answer,
            Err(error) => return Err(self.unanswered(error)),
        };
        match answer.status() {
            StatusCode::OK => self.whole(answer.headers())?,
            StatusCode::PARTIAL_CONTENT if !ranged => {
                return Err(self.changed("a part of it came, and the whole was asked for"));
            }
            StatusCode::PARTIAL_CONTENT => {
                if !self.part(answer.headers())? {
                    self.without_ranges = true;
                    self.trouble("the store does not say of which file the part is".into()).await?;
                    return Ok(true);
                }
            }
            // Nothing is missing: what broke was only the end of the last connection.
            StatusCode::RANGE_NOT_SATISFIABLE if ranged => {
                let range = header_text(answer.headers(), &header::CONTENT_RANGE);
                let total = range.and_then(|range| range.strip_prefix("bytes */")?.trim().parse().ok());
                return if total == Some(self.offset) && self.total.is_none_or(|total| total == self.offset) {
                    Ok(false)
                } else {
                    Err(self.changed("the store has no more of it"))
                };
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if self.renewed_at != Some(self.offset) => {
                self.renewed_at = Some(self.offset);
                self.target = None;
                return Ok(true);
            }
            _ => return Err(self.refused(answer).await),
        }
        if self.total.is_some_and(|total| total > self.limit) {
            return Err(self.too_large());
        }
        self.pieces = Some(Box::pin(answer.into_body().into_stream()));
        Ok(true)
    }

    /// Whether what is missing can be asked for alone. Without a validator, a part may be of another file, so that all of it is
    /// asked for again, and compared with what had come.
    fn resumes(&self) -> bool {
        self.offset > 0 && self.validator.is_some() && !self.without_ranges
    }

    fn request(&self, target: &LinkTarget) -> Result<Request<Bytes>, Error> {
        let request = Request::get(target.uri().clone()).body(Bytes::new());
        let mut request = request.map_err(|_| self.error(ErrorKind::Refused).caused_by("the link is not a URL"))?;
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some(validator) = self.validator.as_ref().filter(|_| self.resumes())
            && let Ok(range) = HeaderValue::try_from(format!("bytes={}-", self.offset))
        {
            headers.insert(header::RANGE, range);
            headers.insert(header::IF_RANGE, validator.clone());
        }
        request.extensions_mut().insert(Idempotency::Idempotent);
        request.extensions_mut().insert(Read::Stream);
        request.extensions_mut().insert(target.secrets());
        Ok(request)
    }

    /// An answer with all of it.
    fn whole(&mut self, headers: &HeaderMap) -> Result<(), Error> {
        let total = header_text(headers, &header::CONTENT_LENGTH).and_then(|length| length.trim().parse().ok());
        self.expected_content(headers)?;
        self.same_file(headers, total)?;
        self.total = self.total.or(total);
        self.part_end = None;
        if self.offset > 0 {
            self.again = Some((self.offset, Hasher::default()));
        }
        Ok(())
    }

    /// An answer with what is missing of it. False where it cannot be known to be of the same file.
    fn part(&mut self, headers: &HeaderMap) -> Result<bool, Error> {
        let range = header_text(headers, &header::CONTENT_RANGE).and_then(ContentRange::parse);
        let Some(range) = range.filter(|range| range.first == self.offset) else {
            return Err(self.changed("another part of it came than was asked for"));
        };
        self.expected_content(headers)?;
        self.same_file(headers, range.total)?;
        if validator(headers).is_none() {
            return Ok(false);
        }
        self.total = self.total.or(range.total);
        if self.total.is_none() {
            // Where such a part ends, nobody knows whether the file does.
            return Err(self.changed("a part of it came, and the store does not say how long the whole is"));
        }
        self.part_end = Some(range.last.saturating_add(1));
        Ok(true)
    }

    /// Checks that it is a file in an encoding that can be taken off, and the same as before.
    fn expected_content(&mut self, headers: &HeaderMap) -> Result<(), Error> {
        let is_page = header_text(headers, &header::CONTENT_TYPE)
            .is_some_and(|kind| kind.trim_start().get(..9).is_some_and(|kind| kind.eq_ignore_ascii_case("text/html")));
        let is_stores = headers.keys().any(|name| name.as_str().starts_with("x-ms-"));
        if is_page && !is_stores {
            let error = self.changed("a web page came in its place; a proxy or portal seems to have responded");
            return Err(error.advice("check the proxy or portal between, then download it again"));
        }
        let coding = Coding::of(headers).map_err(|coding| {
            let coding = self.scrubbed(&coding);
            let what = format!(
                "it came encoded as `{coding}`, which was not asked for and cannot be taken off; see what stands \
                                between this machine and the store"
            );
            self.changed(&what)
        })?;
        if *self.coding.get_or_insert(coding) != coding {
            return Err(self.changed("it is encoded otherwise than when the download began"));
        }
        Ok(())
    }

    /// Checks that it is the file that was begun.
    fn same_file(&mut self, headers: &HeaderMap, total: Option<u64>) -> Result<(), Error> {
        let validator = validator(headers);
        let other = |known: Option<&HeaderValue>| known.is_some() && validator.is_some() && known != validator.as_ref();
        if self.offset > 0 && other(self.validator.as_ref()) {
            return Err(self.changed("it has been replaced since the download began"));
        }
        if self.offset > 0 && total.is_some() && self.total.is_some() && total != self.total {
            return Err(self.changed("its size is another than when the download began"));
        }
        if self.offset == 0 {
            (self.validator, self.total) = (validator, total);
        }
        Ok(())
    }

    fn error(&self, kind: ErrorKind) -> Error {
        Error::new(kind).context(self.source.words(&self.action))
    }

    /// The text without what is secret of the link.
    fn scrubbed(&self, text: &str) -> String {
        self.target.as_ref().map_or_else(String::new, |target| target.scrubbed(text))
    }

    fn changed(&self, why: &str) -> Error {
        self.error(ErrorKind::Corrupt).caused_by(why)
    }

    fn too_large(&self) -> Error {
        self.error(ErrorKind::TooLarge).caused_by(format!("it has more than {} bytes", self.limit))
    }

    fn cleaned(&self, error: Broken) -> Box<dyn std::error::Error + Send + Sync> {
        match &self.target {
            Some(target) => target.cleaned(error),
            None => error.into(),
        }
    }
}
