//! The chunks of a download, decoded and unpacked.

use bytes::Bytes;

use crate::{
    Download, Downloaded, Error, ErrorKind, Progress,
    files::{
        fetch::{Coding, Fetch},
        file_name,
        gunzip::{Unpack, UnpackError},
        hasher::Hasher,
    },
};

/// Chunks of a download: decoded, unpacked if requested, counted and hashed.
pub(crate) struct DecodedChunks {
    download: Download,
    fetch: Fetch,
    /// Decoder of the content encoding, if the response has one.
    decode: Option<Unpack>,
    /// Received bytes that are not decoded yet.
    encoded: Bytes,
    /// True when all bytes have been received.
    fetched: bool,
    unpack: Option<Unpack>,
    /// Decoded bytes that are not unpacked yet.
    input: Bytes,
    hasher: Hasher,
    size: u64,
    checked: bool,
    ended: bool,
}

impl DecodedChunks {
    pub(crate) fn of(download: Download) -> Self {
        let fetch = Fetch::new(download.client.clone(), download.action.clone(), download.source, download.limit);
        let unpack = download.unpacks.then(|| Unpack::new(download.limit));
        Self {
            download,
            fetch,
            decode: None,
            encoded: Bytes::new(),
            fetched: false,
            unpack,
            input: Bytes::new(),
            hasher: Hasher::default(),
            size: 0,
            checked: false,
            ended: false,
        }
    }

    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        if !self.checked {
            self.download.check().await?;
            self.checked = true;
        }
        while !self.ended {
            let chunk = if self.input.is_empty() {
                match self.decoded().await? {
                    Some(chunk) => self.unpacked(chunk)?,
                    None => self.end()?,
                }
            } else {
                self.unpacked(Bytes::new())?
            };
            if !chunk.is_empty() {
                self.hasher.update(&chunk);
                self.size = self.size.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
                return Ok(Some(chunk));
            }
        }
        match self.download.expected {
            Some(expected) if expected != self.hasher.so_far() => {
                let why = format!("the SHA-256 is {}, and {expected} was expected", self.hasher.so_far());
                Err(self.error(ErrorKind::Corrupt).caused_by(why))
            }
            _ => Ok(None),
        }
    }

    /// Returns the next decoded chunk, which may be empty; `None` at the end.
    async fn decoded(&mut self) -> Result<Option<Bytes>, Error> {
        if self.fetched {
            return Ok(None);
        }
        if self.encoded.is_empty() {
            let chunk = self.fetch.next().await?;
            if chunk.is_some() {
                self.report_progress();
            }
            if self.fetch.coding() == Coding::Identity {
                return Ok(chunk);
            }
            let limit = self.download.limit;
            let decode = self.decode.get_or_insert_with(|| Unpack::strict(limit));
            let Some(chunk) = chunk else {
                self.fetched = true;
                let last = decode.end().map_err(|error| self.unpack_error(error))?;
                return Ok(Some(last).filter(|last| !last.is_empty()));
            };
            self.encoded = chunk;
        }
        let Some(decode) = &mut self.decode else { return Ok(Some(std::mem::take(&mut self.encoded))) };
        let chunk = decode.step(&mut self.encoded).map_err(|error| self.unpack_error(error))?;
        if self.decode.as_ref().is_some_and(|decode| decode.name().is_some()) {
            // The store declares the machine's own gzip, which has the file's name, as an encoding. It is already decoded.
            self.unpack = None;
        }
        Ok(Some(chunk))
    }

    /// Unpacks a chunk, after the rest of the chunks before.
    fn unpacked(&mut self, chunk: Bytes) -> Result<Bytes, Error> {
        let Some(unpack) = &mut self.unpack else { return Ok(chunk) };
        if self.input.is_empty() {
            self.input = chunk;
        }
        let step = unpack.step(&mut self.input);
        step.map_err(|error| self.unpack_error(error))
    }

    fn end(&mut self) -> Result<Bytes, Error> {
        self.ended = true;
        let Some(unpack) = &mut self.unpack else { return Ok(Bytes::new()) };
        let end = unpack.end();
        end.map_err(|error| self.unpack_error(error))
    }

    fn unpack_error(&self, error: UnpackError) -> Error {
        match error {
            UnpackError::TooLarge => {
                let why = format!("the unpacked file has more than {} bytes", self.download.limit);
                self.error(ErrorKind::TooLarge).caused_by(why)
            }
            UnpackError::Broken(source) => self.error(ErrorKind::Corrupt).caused_by(source),
        }
    }

    fn report_progress(&mut self) {
        let progress = Progress { received: self.fetch.received(), total: self.fetch.total() };
        if let Some(report) = &mut self.download.progress {
            report(progress);
        }
    }

    fn error(&self, kind: ErrorKind) -> Error {
        Error::new(kind).context(self.download.source.context(&self.download.action))
    }

    pub(crate) fn downloaded(&self) -> Downloaded {
        let name = self.unpack.as_ref().and_then(Unpack::name);
        let name = name.or_else(|| self.decode.as_ref()?.name()).map(file_name::decoded);
        Downloaded { size: self.size, sha256: self.hasher.so_far(), name }
    }
}
