//! One download to its end: requests, ranges and resumes.

mod coding;
mod refusal;
mod validator;

use std::{pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use defender_model::ActionId;
use defender_transport::{
    Error as TransportError,
    extensions::{Idempotency, Read},
};
use futures_util::{Stream, StreamExt};
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};

pub(crate) use self::coding::Coding;
use self::validator::{header_text, validator};
use crate::{
    DefenderClient, Error, ErrorKind,
    files::{content_range::ContentRange, hasher::Hasher, link::LinkKind, link_target::LinkTarget},
};

/// Most resumes of a download without progress in between.
const RESUMES: u32 = 5;
/// Bytes that count as progress.
const PROGRESS: u64 = 64 << 10;
/// Delay before the first resume, which doubles with each further one.
const DELAY: Duration = Duration::from_millis(500);
/// Largest refusal that is read, in bytes.
const REFUSAL: usize = 64 << 10;

type BodyStream = Pin<Box<dyn Stream<Item = Result<Bytes, TransportError>> + Send>>;

/// Bytes behind a link. After a broken connection the download resumes at the same byte, and an expired link is renewed.
pub(crate) struct Fetch {
    client: DefenderClient,
    action: ActionId,
    source: LinkKind,
    limit: u64,
    target: Option<LinkTarget>,
    body: Option<BodyStream>,
    /// Bytes received, known to be from the same file.
    offset: u64,
    total: Option<u64>,
    /// Tag or date of the file, which shows if the file has changed.
    validator: Option<HeaderValue>,
    /// Content encoding, once the store has responded.
    coding: Option<Coding>,
    /// End of the part in the current response, if it is a part.
    part_end: Option<u64>,
    /// True if the store's parts may be from another file, so that the file is read from its start.
    without_ranges: bool,
    hasher: Hasher,
    /// Bytes that are received again, with their hash. They are dropped if they equal the bytes received before.
    repeated: Option<(u64, Hasher)>,
    interruptions: u32,
    /// Offset at the last interruption.
    interrupted_at: u64,
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
            body: None,
            offset: 0,
            total: None,
            validator: None,
            coding: None,
            part_end: None,
            without_ranges: false,
            hasher: Hasher::default(),
            repeated: None,
            interruptions: 0,
            interrupted_at: 0,
            renewed_at: None,
        }
    }

    /// Returns the content encoding.
    pub(crate) fn coding(&self) -> Coding {
        self.coding.unwrap_or(Coding::Identity)
    }

    /// Returns the number of bytes received.
    pub(crate) fn received(&self) -> u64 {
        self.offset
    }

    /// Returns the size of the file, if the store states it.
    pub(crate) fn total(&self) -> Option<u64> {
        self.total
    }

    /// Returns the next chunk; `None` at the end of the file.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            let Some(body) = &mut self.body else {
                if self.open().await? {
                    continue;
                }
                return Ok(None);
            };
            match body.next().await {
                Some(Ok(chunk)) => {
                    let chunk = self.take(chunk)?;
                    if !chunk.is_empty() {
                        return Ok(Some(chunk));
                    }
                }
                Some(Err(error)) => {
                    let error = self.cleaned(error);
                    self.interrupted(error).await?;
                }
                None if self.repeated.is_some() || self.total.is_some_and(|total| self.offset < total) => {
                    self.interrupted("the connection ended before the end of the file".into()).await?;
                }
                None => return Ok(None),
            }
        }
    }

    /// Returns the new bytes of a chunk.
    fn take(&mut self, mut chunk: Bytes) -> Result<Bytes, Error> {
        if let Some((left, hasher)) = &mut self.repeated {
            let old = chunk.split_to(usize::try_from(*left).unwrap_or(usize::MAX).min(chunk.len()));
            hasher.update(&old);
            *left = left.saturating_sub(u64::try_from(old.len()).unwrap_or(u64::MAX));
            if *left > 0 {
                return Ok(Bytes::new());
            }
            let same = hasher.so_far() == self.hasher.so_far();
            self.repeated = None;
            if !same {
                return Err(self.changed("the bytes received again differ from the bytes received before"));
            }
        }
        let size = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        let offset = self.offset.saturating_add(size);
        if offset > self.limit {
            return Err(self.too_large());
        }
        if self.total.is_some_and(|total| offset > total) {
            return Err(self.changed("the store sent more bytes than it announced"));
        }
        if self.part_end.is_some_and(|end| offset > end) {
            return Err(self.changed("the store sent more bytes than the announced part"));
        }
        self.offset = offset;
        self.hasher.update(&chunk);
        Ok(chunk)
    }

    /// Records that a connection broke, and waits before the next request.
    async fn interrupted(&mut self, why: Box<dyn std::error::Error + Send + Sync>) -> Result<(), Error> {
        self.body = None;
        self.repeated = None;
        if self.offset.saturating_sub(self.interrupted_at) >= PROGRESS {
            self.interruptions = 0;
        }
        self.interrupted_at = self.offset;
        self.interruptions = self.interruptions.saturating_add(1);
        if self.interruptions > RESUMES {
            return Err(self.error(ErrorKind::Interrupted).caused_by(why));
        }
        let delay = DELAY.saturating_mul(1_u32.checked_shl(self.interruptions.saturating_sub(1)).unwrap_or(u32::MAX));
        Arc::clone(&self.client.inner().clock).sleep(delay).await;
        Ok(())
    }

    /// Requests the missing bytes. Returns false if none are missing.
    async fn open(&mut self) -> Result<bool, Error> {
        let target = if let Some(target) = self.target.take() {
            target
        } else {
            let link = self.source.link(&self.client, &self.action, None).await?;
            LinkTarget::of(&link).map_err(|why| self.error(ErrorKind::Refused).caused_by(why))?
        };
        let is_ranged = self.resumes();
        let request = self.request(&target)?;
        self.target = Some(target);
        let response = match self.client.inner().downloads.send(request).await {
            Ok(response) => response,
            Err(error) => return Err(self.no_response(error)),
        };
        match response.status() {
            StatusCode::OK => self.whole(response.headers())?,
            StatusCode::PARTIAL_CONTENT if !is_ranged => {
                return Err(self.changed("the store sent a part, and the whole file was requested"));
            }
            StatusCode::PARTIAL_CONTENT => {
                if !self.part(response.headers())? {
                    self.without_ranges = true;
                    self.interrupted("the store does not state the version of the file of the part".into()).await?;
                    return Ok(true);
                }
            }
            // No bytes are missing: only the end of the last connection broke.
            StatusCode::RANGE_NOT_SATISFIABLE if is_ranged => {
                let range = header_text(response.headers(), &header::CONTENT_RANGE);
                let total = range.and_then(|range| range.strip_prefix("bytes */")?.trim().parse().ok());
                return if total == Some(self.offset) && self.total.is_none_or(|total| total == self.offset) {
                    Ok(false)
                } else {
                    Err(self.changed("the store has fewer bytes than before"))
                };
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if self.renewed_at != Some(self.offset) => {
                self.renewed_at = Some(self.offset);
                self.target = None;
                return Ok(true);
            }
            _ => return Err(self.refused(response).await),
        }
        if self.total.is_some_and(|total| total > self.limit) {
            return Err(self.too_large());
        }
        self.body = Some(Box::pin(response.into_body().into_stream()));
        Ok(true)
    }

    /// Returns whether the missing bytes can be requested alone. Without a validator a part may be from another file, so the whole file is
    /// requested again and compared with the bytes received before.
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

    /// Begins a response with the whole file.
    fn whole(&mut self, headers: &HeaderMap) -> Result<(), Error> {
        let total = header_text(headers, &header::CONTENT_LENGTH).and_then(|length| length.trim().parse().ok());
        self.expected_content(headers)?;
        self.same_file(headers, total)?;
        self.total = self.total.or(total);
        self.part_end = None;
        if self.offset > 0 {
            self.repeated = Some((self.offset, Hasher::default()));
        }
        Ok(())
    }

    /// Begins a response with the missing part. Returns false if the part may be from another file.
    fn part(&mut self, headers: &HeaderMap) -> Result<bool, Error> {
        let range = header_text(headers, &header::CONTENT_RANGE).and_then(ContentRange::parse);
        let Some(range) = range.filter(|range| range.first == self.offset) else {
            return Err(self.changed("the store sent another part than was requested"));
        };
        self.expected_content(headers)?;
        self.same_file(headers, range.total)?;
        if validator(headers).is_none() {
            return Ok(false);
        }
        self.total = self.total.or(range.total);
        if self.total.is_none() {
            // The end of such a part may not be the end of the file.
            return Err(self.changed("the store sent a part, and does not state the size of the file"));
        }
        self.part_end = Some(range.last.saturating_add(1));
        Ok(true)
    }

    /// Checks that the response is a file and not a web page, in a known encoding, the same as before.
    fn expected_content(&mut self, headers: &HeaderMap) -> Result<(), Error> {
        let is_page = header_text(headers, &header::CONTENT_TYPE)
            .is_some_and(|kind| kind.trim_start().get(..9).is_some_and(|kind| kind.eq_ignore_ascii_case("text/html")));
        let is_stores = headers.keys().any(|name| name.as_str().starts_with("x-ms-"));
        if is_page && !is_stores {
            let error =
                self.changed("received a web page; a proxy or portal seems to have responded in place of the store");
            return Err(error.with_advice("check the proxy or portal in between, then download it again"));
        }
        let coding = Coding::of(headers).map_err(|coding| {
            let coding = self.scrubbed(&coding);
            let what = format!(
                "the unrequested encoding `{coding}` cannot be decoded; check the proxy or gateway between this machine and \
                 the store"
            );
            self.changed(&what)
        })?;
        if *self.coding.get_or_insert(coding) != coding {
            return Err(self.changed("the encoding has changed since the download began"));
        }
        Ok(())
    }

    /// Checks that the file is the same as at the begin of the download.
    fn same_file(&mut self, headers: &HeaderMap, total: Option<u64>) -> Result<(), Error> {
        let validator = validator(headers);
        let other = |known: Option<&HeaderValue>| known.is_some() && validator.is_some() && known != validator.as_ref();
        if self.offset > 0 && other(self.validator.as_ref()) {
            return Err(self.changed("the file has been replaced since the download began"));
        }
        if self.offset > 0 && total.is_some() && self.total.is_some() && total != self.total {
            return Err(self.changed("the size of the file has changed since the download began"));
        }
        if self.offset == 0 {
            (self.validator, self.total) = (validator, total);
        }
        Ok(())
    }

    fn error(&self, kind: ErrorKind) -> Error {
        Error::new(kind).context(self.source.context(&self.action))
    }

    /// Returns the text without the secrets of the link.
    fn scrubbed(&self, text: &str) -> String {
        self.target.as_ref().map_or_else(String::new, |target| target.scrubbed(text))
    }

    fn changed(&self, why: &str) -> Error {
        self.error(ErrorKind::Corrupt).caused_by(why)
    }

    fn too_large(&self) -> Error {
        self.error(ErrorKind::TooLarge).caused_by(format!("the file has more than {} bytes", self.limit))
    }

    fn cleaned(&self, error: TransportError) -> Box<dyn std::error::Error + Send + Sync> {
        match &self.target {
            Some(target) => target.cleaned(error),
            None => error.into(),
        }
    }
}
