//! gzip taken apart piece by piece, whatever it is.

use std::io::{self, Write};

use bytes::{Buf, Bytes};
use flate2::write::GzDecoder;

/// How much is unpacked at a time: a thousand times as much may come of it.
const BITE: usize = 1 << 10;
/// How much is handed on at a time, if there is as much.
const PIECE: usize = 64 << 10;
/// The first bytes of each member of a gzip: two of its own, and the one method that there is.
const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];

/// Takes off a gzip around what is downloaded, if there is one, up to a limit of what comes of it.
pub(crate) struct Unpack {
    state: State,
    limit: u64,
    /// Whether anything but a gzip is an error.
    strict: bool,
    /// The name in the first member's header: whatever somebody wrote there.
    name: Option<Vec<u8>>,
}

enum State {
    /// Too little has come to tell.
    Beginning(Vec<u8>),
    /// It is no gzip, and is handed on as it comes.
    Plain,
    Gzip(Box<GzDecoder<Sink>>),
    /// A member is over. A gzip may have several (RFC 1952, 2.2), and each begins with these bytes.
    Between(Vec<u8>, Sink),
    /// The last member is over, and NULs follow it, as after a transcript. What has not been handed on is kept.
    Padding(Vec<u8>),
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

fn broken(what: &str) -> Trouble {
    Trouble::Broken(io::Error::new(io::ErrorKind::InvalidData, what))
}

impl Unpack {
    /// Takes off a gzip if there is one.
    pub(crate) fn new(limit: u64) -> Self {
        Self { state: State::Beginning(Vec::new()), limit, strict: false, name: None }
    }

    /// Takes off the gzip that there must be.
    pub(crate) fn strict(limit: u64) -> Self {
        Self { strict: true, ..Self::new(limit) }
    }

    /// Takes of `input` what makes a piece, and gives the piece; an empty one where more is needed.
    pub(crate) fn step(&mut self, input: &mut Bytes) -> Result<Bytes, Trouble> {
        while !input.is_empty() {
            match &mut self.state {
                State::Beginning(_) => self.begin(input)?,
                State::Plain => return Ok(std::mem::take(input)),
                State::Between(..) => self.go_on(input),
                State::Padding(_) if input.iter().all(|byte| *byte == 0) => input.clear(),
                State::Padding(_) => return Err(broken(MORE)),
                State::Gzip(decoder) => {
                    let bite = input.get(..BITE).unwrap_or(input);
                    let taken = match decoder.write(bite) {
                        Ok(taken) => taken,
                        Err(_) if decoder.get_ref().full => return Err(Trouble::TooLarge),
                        Err(error) => return Err(Trouble::Broken(error)),
                    };
                    if taken == 0 {
                        self.finish()?;
                        continue;
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
            // Too short for a gzip. No bytes at all are an empty file, however they are encoded.
            if self.strict && !bytes.is_empty() {
                return Err(broken("it is no gzip"));
            }
            return Ok(std::mem::take(bytes).into());
        }
        self.finish()?;
        if let State::Between(first, _) = &self.state
            && first.iter().any(|byte| *byte != 0)
        {
            return Err(broken(MORE));
        }
        Ok(self.ready())
    }

    /// The name inside the gzip, once it is known: whatever somebody wrote there.
    pub(crate) fn name(&self) -> Option<&[u8]> {
        match &self.state {
            State::Gzip(decoder) if self.name.is_none() => decoder.header().and_then(|header| header.filename()),
            _ => self.name.as_deref(),
        }
    }

    fn begin(&mut self, input: &mut Bytes) -> Result<(), Trouble> {
        let State::Beginning(first) = &mut self.state else { return Ok(()) };
        if !gather(first, input) {
            return Ok(());
        }
        self.state = if input.starts_with(&MAGIC) {
            Sink { ready: Vec::new(), room: self.limit, full: false }.decoder()
        } else if self.strict {
            return Err(broken("it is no gzip"));
        } else {
            State::Plain
        };
        Ok(())
    }

    /// What follows a member: another, or nothing but NULs.
    fn go_on(&mut self, input: &mut Bytes) {
        let State::Between(first, _) = &mut self.state else { return };
        if !gather(first, input) {
            return;
        }
        let State::Between(_, sink) = std::mem::replace(&mut self.state, State::Plain) else { return };
        self.state = if input.starts_with(&MAGIC) { sink.decoder() } else { State::Padding(sink.ready) };
    }

    /// Checks what ends a member.
    fn finish(&mut self) -> Result<(), Trouble> {
        let State::Gzip(decoder) = &mut self.state else { return Ok(()) };
        if let Err(error) = decoder.try_finish() {
            return Err(if decoder.get_ref().full { Trouble::TooLarge } else { Trouble::Broken(error) });
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

const MORE: &str = "something that is no gzip follows the end of the gzip";

/// Gathers as many bytes as tell a gzip. Once they are there, puts them back in front of `input`, and gives true.
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
    fn anything_else_after_a_member_is_refused() {
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
                assert!(matches!(unpacked(&all, size, 1_000), Err(Trouble::Broken(_))), "{size}: {rest:?}");
            }
        }
    }

    #[test]
    fn members_share_one_limit() {
        let all = packed(&[7; 600]).repeat(3);
        assert!(matches!(unpacked(&all, 10, 1_799), Err(Trouble::TooLarge)));
        assert_eq!(unpacked(&all, 10, 1_800).unwrap().0.len(), 1_800);
    }

    #[test]
    fn strict_unpacking_refuses_what_is_no_gzip() {
        for (content, fine) in
            [(packed(b"x"), true), (Vec::new(), true), (b"PK".to_vec(), false), (b"plain".to_vec(), false)]
        {
            let (mut unpack, mut piece) = (Unpack::strict(1_000), Bytes::from(content));
            assert_eq!(unpack.step(&mut piece).and_then(|_| unpack.end()).is_ok(), fine);
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
