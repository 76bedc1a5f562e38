//! Streaming decompression of gzip.

use std::io::{self, Write};

use bytes::{Buf, Bytes};
use flate2::write::GzDecoder;

/// Compressed bytes that are unpacked at a time. They may grow a thousandfold.
const STEP: usize = 1 << 10;
/// Unpacked bytes that are handed on at a time.
const CHUNK: usize = 64 << 10;
/// First bytes of each member of a gzip: the magic number, and the only compression method.
const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];

/// Decoder that unpacks a gzip and hands on any other file, up to a limit of the unpacked size.
pub(crate) struct Unpack {
    state: State,
    limit: u64,
    /// True if a file that is not a gzip is an error.
    strict: bool,
    /// Untrusted name from the header of the first member.
    name: Option<Vec<u8>>,
}

enum State {
    /// Too few bytes to recognize a gzip.
    Beginning(Vec<u8>),
    /// Not a gzip: handed on as received.
    Plain,
    Gzip(Box<GzDecoder<Sink>>),
    /// Between two members, with the first bytes of the next one. A gzip may have several members (RFC 1952, 2.2).
    Between(Vec<u8>, Sink),
    /// After the last member, in the NULs that follow a transcript. Holds the bytes that are not handed on yet.
    Padding(Vec<u8>),
}

/// Reason why a gzip cannot be unpacked.
#[derive(Debug)]
pub(crate) enum UnpackError {
    TooLarge,
    Broken(io::Error),
}

/// Unpacked bytes that are not handed on yet.
struct Sink {
    ready: Vec<u8>,
    room: u64,
    full: bool,
}

impl Sink {
    fn decoder(self) -> State {
        State::Gzip(Box::new(GzDecoder::new(self)))
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let Some(room) = self.room.checked_sub(size) else {
            self.full = true;
            return Err(io::Error::other("the limit is reached"));
        };
        self.room = room;
        self.ready.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn broken(what: &str) -> UnpackError {
    UnpackError::Broken(io::Error::new(io::ErrorKind::InvalidData, what))
}

impl Unpack {
    /// Creates a decoder that unpacks a gzip and hands on any other file.
    pub(crate) fn new(limit: u64) -> Self {
        Self { state: State::Beginning(Vec::new()), limit, strict: false, name: None }
    }

    /// Creates a decoder that refuses a file that is not a gzip.
    pub(crate) fn strict(limit: u64) -> Self {
        Self { strict: true, ..Self::new(limit) }
    }

    /// Consumes `input` up to the next chunk, and returns the chunk; an empty one if more input is needed.
    pub(crate) fn step(&mut self, input: &mut Bytes) -> Result<Bytes, UnpackError> {
        while !input.is_empty() {
            match &mut self.state {
                State::Beginning(_) => self.begin(input)?,
                State::Plain => return Ok(std::mem::take(input)),
                State::Between(..) => self.after_member(input),
                State::Padding(_) if input.iter().all(|byte| *byte == 0) => input.clear(),
                State::Padding(_) => return Err(broken(TRAILING)),
                State::Gzip(decoder) => {
                    let step = input.get(..STEP).unwrap_or(input);
                    let taken = match decoder.write(step) {
                        Ok(taken) => taken,
                        Err(_) if decoder.get_ref().full => return Err(UnpackError::TooLarge),
                        Err(error) => return Err(UnpackError::Broken(error)),
                    };
                    if taken == 0 {
                        self.finish()?;
                        continue;
                    }
                    input.advance(taken);
                    if decoder.get_ref().ready.len() >= CHUNK {
                        break;
                    }
                }
            }
        }
        Ok(self.ready())
    }

    /// Ends the input, and returns the rest.
    pub(crate) fn end(&mut self) -> Result<Bytes, UnpackError> {
        if let State::Beginning(bytes) = &mut self.state {
            // Too short for a gzip. An empty input is an empty file in any encoding.
            if self.strict && !bytes.is_empty() {
                return Err(broken("the file is not a gzip"));
            }
            return Ok(std::mem::take(bytes).into());
        }
        self.finish()?;
        if let State::Between(first, _) = &self.state
            && first.iter().any(|byte| *byte != 0)
        {
            return Err(broken(TRAILING));
        }
        Ok(self.ready())
    }

    /// Returns the untrusted name in the gzip, once it is known.
    pub(crate) fn name(&self) -> Option<&[u8]> {
        match &self.state {
            State::Gzip(decoder) if self.name.is_none() => decoder.header().and_then(|header| header.filename()),
            _ => self.name.as_deref(),
        }
    }

    fn begin(&mut self, input: &mut Bytes) -> Result<(), UnpackError> {
        let State::Beginning(first) = &mut self.state else { return Ok(()) };
        if !gather(first, input) {
            return Ok(());
        }
        self.state = if input.starts_with(&MAGIC) {
            Sink { ready: Vec::new(), room: self.limit, full: false }.decoder()
        } else if self.strict {
            return Err(broken("the file is not a gzip"));
        } else {
            State::Plain
        };
        Ok(())
    }

    /// Reads the bytes after a member: another member, or NULs.
    fn after_member(&mut self, input: &mut Bytes) {
        let State::Between(first, _) = &mut self.state else { return };
        if !gather(first, input) {
            return;
        }
        let State::Between(_, sink) = std::mem::replace(&mut self.state, State::Plain) else { return };
        self.state = if input.starts_with(&MAGIC) { sink.decoder() } else { State::Padding(sink.ready) };
    }

    /// Checks the end of a member.
    fn finish(&mut self) -> Result<(), UnpackError> {
        let State::Gzip(decoder) = &mut self.state else { return Ok(()) };
        if let Err(error) = decoder.try_finish() {
            return Err(if decoder.get_ref().full { UnpackError::TooLarge } else { UnpackError::Broken(error) });
        }
        if self.name.is_none() {
            self.name = decoder.header().and_then(|header| header.filename()).map(<[u8]>::to_vec);
        }
        let done = decoder.get_mut();
        let sink = Sink { ready: std::mem::take(&mut done.ready), ..*done };
        self.state = State::Between(Vec::new(), sink);
        Ok(())
    }

    fn ready(&mut self) -> Bytes {
        match &mut self.state {
            State::Gzip(decoder) => std::mem::take(&mut decoder.get_mut().ready).into(),
            State::Between(_, sink) => std::mem::take(&mut sink.ready).into(),
            State::Padding(ready) => std::mem::take(ready).into(),
            State::Beginning(_) | State::Plain => Bytes::new(),
        }
    }
}

const TRAILING: &str = "unexpected bytes follow the end of the gzip";

/// Gathers the bytes that show if a gzip begins. Once there are enough, puts them back in front of `input` and returns true.
fn gather(first: &mut Vec<u8>, input: &mut Bytes) -> bool {
    let missing = MAGIC.len().saturating_sub(first.len()).min(input.len());
    first.extend_from_slice(&input.split_to(missing));
    if first.len() < MAGIC.len() {
        return false;
    }
    let mut all = Vec::with_capacity(first.len().saturating_add(input.len()));
    all.extend_from_slice(first);
    all.extend_from_slice(input);
    first.clear();
    *input = all.into();
    true
}

#[cfg(test)]
mod tests {
    use flate2::{Compression, GzBuilder};

    use super::*;

    fn packed(content: &[u8]) -> Vec<u8> {
        let mut packed = GzBuilder::new().filename("../a.txt").write(Vec::new(), Compression::default());
        packed.write_all(content).unwrap();
        packed.finish().unwrap()
    }

    /// Unpacks `bytes`, given in chunks of this size. Returns the content and the name.
    fn unpacked(bytes: &[u8], size: usize, limit: u64) -> Result<(Vec<u8>, Option<Vec<u8>>), UnpackError> {
        let (mut unpack, mut all) = (Unpack::new(limit), Vec::new());
        for chunk in bytes.chunks(size) {
            let mut chunk = Bytes::copy_from_slice(chunk);
            while !chunk.is_empty() {
                all.extend_from_slice(&unpack.step(&mut chunk)?);
            }
        }
        all.extend_from_slice(&unpack.end()?);
        Ok((all, unpack.name().map(<[u8]>::to_vec)))
    }

    #[test]
    fn gzip_is_unpacked_and_other_files_pass() {
        let content: Vec<u8> = (0..50_000_u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        let mut with_nuls = packed(&content);
        with_nuls.extend([0; 5]);
        for size in [1, 7, 1_000, 1 << 20] {
            for gzip in [&packed(&content), &with_nuls] {
                let (all, name) = unpacked(gzip, size, u64::MAX).unwrap();
                assert!(all == content, "{size}");
                assert_eq!(name.as_deref(), Some(&b"../a.txt"[..]));
            }
            for plain in [&b"PK\x03\x04"[..], b"\x1f\x8b", b"\x1f\x8b\x09x", b"", b"x"] {
                assert_eq!(unpacked(plain, size, 0).unwrap().0, plain);
            }
        }
    }

    #[test]
    fn every_member_is_unpacked() {
        let (one, two, empty) = (packed(b"one "), packed(b"two"), packed(b""));
        for size in [1, 2, 3, 7, 1_000] {
            for (parts, content) in [
                (vec![&one, &two], &b"one two"[..]),
                (vec![&one, &empty, &two, &empty], b"one two"),
                (vec![&empty, &one], b"one "),
                (vec![&one; 5], b"one one one one one "),
            ] {
                let mut all: Vec<u8> = parts.into_iter().flatten().copied().collect();
                assert_eq!(unpacked(&all, size, 1_000).unwrap().0, content, "{size}");
                all.extend([0; 2_000]);
                assert_eq!(unpacked(&all, size, 1_000).unwrap().0, content, "{size}, with NULs");
            }
        }
        let (all, name) = unpacked(&[one, two].concat(), 4, 1_000).unwrap();
        assert_eq!((all.as_slice(), name.as_deref()), (&b"one two"[..], Some(&b"../a.txt"[..])));
    }

    #[test]
    fn trailing_bytes_are_refused() {
        let one = packed(b"one ");
        let mut broken = packed(b"two two two two");
        let content = broken.len() - 10;
        broken[content] ^= 0x55;
        let cut = &one[..one.len() - 3];
        for size in [1, 2, 3, 7, 1_000] {
            for rest in [
                &b"x"[..],
                b"\x1f",
                b"\x1f\x8b",
                b"\x1f\x8b\x08",
                b"\x1f\x8b\x07xx",
                b"garbage",
                b"\0\0\0\0x",
                &broken,
                cut,
            ] {
                let all = [&one, rest].concat();
                assert!(matches!(unpacked(&all, size, 1_000), Err(UnpackError::Broken(_))), "{size}: {rest:?}");
            }
        }
    }

    #[test]
    fn members_share_one_limit() {
        let all = packed(&[7; 600]).repeat(3);
        assert!(matches!(unpacked(&all, 10, 1_799), Err(UnpackError::TooLarge)));
        assert_eq!(unpacked(&all, 10, 1_800).unwrap().0.len(), 1_800);
    }

    #[test]
    fn strict_decoder_refuses_other_files() {
        for (content, fine) in
            [(packed(b"x"), true), (Vec::new(), true), (b"PK".to_vec(), false), (b"plain".to_vec(), false)]
        {
            let (mut unpack, mut chunk) = (Unpack::strict(1_000), Bytes::from(content));
            assert_eq!(unpack.step(&mut chunk).and_then(|_| unpack.end()).is_ok(), fine);
        }
    }

    #[test]
    fn bomb_ends_at_the_limit_in_little_memory() {
        let bomb = packed(&vec![0; 16 << 20]);
        let (mut unpack, mut chunk, mut all) = (Unpack::new(8 << 20), Bytes::from(bomb), 0);
        let error = loop {
            match unpack.step(&mut chunk) {
                Ok(ready) => {
                    assert!(ready.len() < 4 << 20, "{}", ready.len());
                    all += ready.len();
                }
                Err(error) => break error,
            }
        };
        assert!(matches!(error, UnpackError::TooLarge));
        assert!(all <= 8 << 20, "{all}");
    }

    #[test]
    fn broken_gzip_is_an_error() {
        let good = packed(b"hello hello hello");
        for cut in 3..good.len() {
            assert!(matches!(unpacked(&good[..cut], 5, 1_000), Err(UnpackError::Broken(_))), "{cut}");
        }
        let mut flipped = good.clone();
        let crc = flipped.len() - 6;
        flipped[crc] ^= 1;
        assert!(matches!(unpacked(&flipped, 5, 1_000), Err(UnpackError::Broken(_))));
    }
}
