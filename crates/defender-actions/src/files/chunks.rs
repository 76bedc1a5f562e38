//! What comes of a download, piece by piece.

use bytes::Bytes;

use crate::{
    Download, Downloaded, Error, ErrorKind, Progress,
    files::{
        fetch::{Coding, Fetch},
        file_name,
        gunzip::{Trouble, Unpack},
        sha256::Hasher,
    },
};

/// The pieces of a download, unpacked where that is wanted, and looked at on the way.
pub(crate) struct DecodedChunks {
    download: Download,
    fetch: Fetch,
    /// Takes off the encoding in which it came, if there is one.
    decode: Option<Unpack>,
    /// What has come and is not decoded yet.
    encoded: Bytes,
    /// All has come.
    fetched: bool,
    unpack: Option<Unpack>,
    /// What is decoded and not unpacked yet.
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
            let piece = if self.input.is_empty() {
                match self.decoded().await? {
                    Some(piece) => self.unpacked(piece)?,
                    None => self.end()?,
                }
            } else {
                self.unpacked(Bytes::new())?
            };
            if !piece.is_empty() {
                self.hasher.update(&piece);
                self.size = self.size.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
                return Ok(Some(piece));
            }
        }
        match self.download.expected {
            Some(expected) if expected != self.hasher.so_far() => {
                let why = format!("its SHA-256 is {}, and {expected} was expected", self.hasher.so_far());
                Err(self.error(ErrorKind::Corrupt).caused_by(why))
            }
            _ => Ok(None),
        }
    }

    /// The next piece without the encoding in which it came, perhaps an empty one; `None` at the end.
    async fn decoded(&mut self) -> Result<Option<Bytes>, Error> {
        if self.fetched {
            return Ok(None);
        }
        if self.encoded.is_empty() {
            let piece = self.fetch.next().await?;
            if piece.is_some() {
                self.tell();
            }
            if self.fetch.coding() == Coding::Identity {
                return Ok(piece);
            }
            let limit = self.download.limit;
            let decode = self.decode.get_or_insert_with(|| Unpack::strict(limit));
            let Some(piece) = piece else {
                self.fetched = true;
                let last = decode.end().map_err(|trouble| self.not_unpacked(trouble))?;
                return Ok(Some(last).filter(|last| !last.is_empty()));
            };
            self.encoded = piece;
        }
        let Some(decode) = &mut self.decode else { return Ok(Some(std::mem::take(&mut self.encoded))) };
        let piece = decode.step(&mut self.encoded).map_err(|trouble| self.not_unpacked(trouble))?;
        if self.decode.as_ref().is_some_and(|decode| decode.name().is_some()) {
            // The store calls the machine's own gzip, which has the file's name, an encoding: it is off already.
            self.unpack = None;
        }
        Ok(Some(piece))
    }

    /// What comes of a piece, and of what was left of those before.
    fn unpacked(&mut self, piece: Bytes) -> Result<Bytes, Error> {
        let Some(unpack) = &mut self.unpack else { return Ok(piece) };
        if self.input.is_empty() {
            self.input = piece;
        }
        let step = unpack.step(&mut self.input);
        step.map_err(|trouble| self.not_unpacked(trouble))
    }

    fn end(&mut self) -> Result<Bytes, Error> {
        self.ended = true;
        let Some(unpack) = &mut self.unpack else { return Ok(Bytes::new()) };
        let end = unpack.end();
        end.map_err(|trouble| self.not_unpacked(trouble))
    }

    fn not_unpacked(&self, trouble: Trouble) -> Error {
        match trouble {
            Trouble::TooLarge => {
                let why = format!("more than {} bytes come of it when it is unpacked", self.download.limit);
                self.error(ErrorKind::TooLarge).caused_by(why)
            }
            Trouble::Broken(source) => self.error(ErrorKind::Corrupt).caused_by(source),
        }
    }

    fn tell(&mut self) {
        let progress = Progress { received: self.fetch.received(), total: self.fetch.total() };
        if let Some(told) = &mut self.download.progress {
            told(progress);
        }
    }

    fn error(&self, kind: ErrorKind) -> Error {
        Error::new(kind).context(self.download.source.words(&self.download.action))
    }

    pub(crate) fn downloaded(&self) -> Downloaded {
        let name = self.unpack.as_ref().and_then(Unpack::name);
        let name = name.or_else(|| self.decode.as_ref()?.name()).map(file_name::decoded);
        Downloaded { size: self.size, sha256: self.hasher.so_far(), name }
    }
}
