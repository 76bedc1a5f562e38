//! gzip taken apart piece by piece, whatever it is.

use std::io::{self, Write};

use bytes::{Buf, Bytes};
use flate2::write::GzDecoder;

/// How much is unpacked at a time: a thousand times as much may come of it.
const BITE: usize = 1 << 10;
/// How much is handed on at a time, if there is as much.
const PIECE: usize = 64 << 10;

/// Takes off a gzip around what is downloaded, if there is one, up to a limit of what comes of it.
pub(crate) struct Unpack {
    state: State,
    limit: u64,
}

enum State {
    /// Too little has come to tell.
    Beginning(Vec<u8>),
    /// It is no gzip, and is handed on as it comes.
    Plain,
    Gzip(Box<GzDecoder<Sink>>),
    /// The gzip is over; what is behind it, such as NULs, is left out.
    Over {
        name: Option<Vec<u8>>,
        ready: Vec<u8>,
    },
}

/// Why it cannot be unpacked.
#[derive(Debug)]
pub(crate) enum Trouble {
    TooLarge,
    Broken(io::Error),
}

/// What is unpacked and has not been handed on.
struct Sink {
    ready: Vec<u8>,
    room: u64,
    full: bool,
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

impl Unpack {
    pub(crate) fn new(limit: u64) -> Self {
        Self { state: State::Beginning(Vec::new()), limit }
    }

    /// Takes of `input` what makes a piece, and gives the piece; an empty one where more is needed.
    pub(crate) fn step(&mut self, input: &mut Bytes) -> Result<Bytes, Trouble> {
        while !input.is_empty() {
            match &mut self.state {
                State::Beginning(_) => self.begin(input),
                State::Plain => return Ok(std::mem::take(input)),
                State::Over { .. } => input.clear(),
                State::Gzip(decoder) => {
                    let bite = input.get(..BITE).unwrap_or(input);
                    let taken = match decoder.write(bite) {
                        Ok(taken) => taken,
                        Err(_) if decoder.get_ref().full => return Err(Trouble::TooLarge),
                        Err(error) => return Err(Trouble::Broken(error)),
                    };
                    if taken == 0 {
                        self.finish()?;
                        break;
                    }
                    input.advance(taken);
                    if decoder.get_ref().ready.len() >= PIECE {
                        break;
                    }
                }
            }
        }
        Ok(self.ready())
    }

    /// Says that nothing more comes, and gives what is left.
    pub(crate) fn end(&mut self) -> Result<Bytes, Trouble> {
        if let State::Beginning(bytes) = &mut self.state {
            return Ok(std::mem::take(bytes).into()); // Too short for a gzip.
        }
        self.finish()?;
        Ok(self.ready())
    }

    /// The name inside the gzip, once it is known: whatever somebody wrote there.
    pub(crate) fn name(&self) -> Option<&[u8]> {
        match &self.state {
            State::Gzip(decoder) => decoder.header().and_then(|header| header.filename()),
            State::Over { name, .. } => name.as_deref(),
            State::Beginning(_) | State::Plain => None,
        }
    }

    /// Tells a gzip by its first three bytes: two of its own, and the one method that there is.
    fn begin(&mut self, input: &mut Bytes) {
        const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];
        let State::Beginning(first) = &mut self.state else { return };
        let missing = MAGIC.len().saturating_sub(first.len()).min(input.len());
        first.extend_from_slice(&input.split_to(missing));
        if first.len() < MAGIC.len() {
            return;
        }
        // What was taken is put back in front.
        let mut all = Vec::with_capacity(first.len().saturating_add(input.len()));
        all.extend_from_slice(first);
        all.extend_from_slice(input);
        *input = all.into();
        self.state = if input.starts_with(&MAGIC) {
            let sink = Sink { ready: Vec::new(), room: self.limit, full: false };
            State::Gzip(Box::new(GzDecoder::new(sink)))
        } else {
            State::Plain
        };
    }

    /// Checks what ends the gzip.
    fn finish(&mut self) -> Result<(), Trouble> {
        let State::Gzip(decoder) = &mut self.state else { return Ok(()) };
        if let Err(error) = decoder.try_finish() {
            return Err(if decoder.get_ref().full { Trouble::TooLarge } else { Trouble::Broken(error) });
        }
        let name = decoder.header().and_then(|header| header.filename()).map(<[u8]>::to_vec);
        let ready = std::mem::take(&mut decoder.get_mut().ready);
        self.state = State::Over { name, ready };
        Ok(())
    }

    fn ready(&mut self) -> Bytes {
        match &mut self.state {
            State::Gzip(decoder) => std::mem::take(&mut decoder.get_mut().ready).into(),
            State::Over { ready, .. } => std::mem::take(ready).into(),
            State::Beginning(_) | State::Plain => Bytes::new(),
        }
    }
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

    /// What comes of `bytes` given in pieces of this size, and the name.
    fn unpacked(bytes: &[u8], size: usize, limit: u64) -> Result<(Vec<u8>, Option<Vec<u8>>), Trouble> {
        let (mut unpack, mut all) = (Unpack::new(limit), Vec::new());
        for piece in bytes.chunks(size) {
            let mut piece = Bytes::copy_from_slice(piece);
            while !piece.is_empty() {
                all.extend_from_slice(&unpack.step(&mut piece)?);
            }
        }
        all.extend_from_slice(&unpack.end()?);
        Ok((all, unpack.name().map(<[u8]>::to_vec)))
    }

    #[test]
    fn a_gzip_is_unpacked_in_pieces_of_any_size_and_what_is_none_is_left_as_it_is() {
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
    fn a_bomb_ends_at_the_limit_with_little_in_memory() {
        let bomb = packed(&vec![0; 16 << 20]);
        let (mut unpack, mut piece, mut all) = (Unpack::new(8 << 20), Bytes::from(bomb), 0);
        let trouble = loop {
            match unpack.step(&mut piece) {
                Ok(ready) => {
                    assert!(ready.len() < 4 << 20, "{}", ready.len());
                    all += ready.len();
                }
                Err(trouble) => break trouble,
            }
        };
        assert!(matches!(trouble, Trouble::TooLarge));
        assert!(all <= 8 << 20, "{all}");
    }

    #[test]
    fn what_is_broken_or_cut_off_is_told() {
        let good = packed(b"hello hello hello");
        for cut in 3..good.len() {
            assert!(matches!(unpacked(&good[..cut], 5, 1_000), Err(Trouble::Broken(_))), "{cut}");
        }
        let mut flipped = good.clone();
        let crc = flipped.len() - 6;
        flipped[crc] ^= 1;
        assert!(matches!(unpacked(&flipped, 5, 1_000), Err(Trouble::Broken(_))));
    }
}
