//! Compressed bodies, opened within a limit.

use std::io::{ErrorKind, Read};

use flate2::read::MultiGzDecoder;
use flate2::{Decompress, FlushDecompress, Status};
use http::HeaderMap;
use http::header;

/// Bytes made in one step, between two looks at the limits.
const STEP_BYTES: usize = 64 * 1024;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Gzip,
    /// With the frame of zlib, as the name means, or without, as some send it.
    Deflate,
}

impl Encoding {
    /// What `Content-Encoding` says; `None` for a body as it is.
    ///
    /// # Errors
    /// The text that is neither.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Option<Self>, String> {
        let mut found = None;
        for line in headers.get_all(header::CONTENT_ENCODING) {
            let line = String::from_utf8_lossy(line.as_bytes());
            for name in line.split(',').map(|name| name.trim().to_ascii_lowercase()) {
                let encoding = match name.as_str() {
                    "" | "identity" => continue,
                    "gzip" | "x-gzip" => Self::Gzip,
                    "deflate" => Self::Deflate,
                    _ => return Err(line.into_owned()),
                };
                if found.replace(encoding).is_some() {
                    return Err(line.into_owned());
                }
            }
        }
        Ok(found)
    }
}

/// Why a body could not be opened.
#[derive(Debug)]
pub(crate) enum Failure<E> {
    /// Its bytes are not what the header says.
    Broken(String),
    /// Who counts the bytes said no.
    Stopped(E),
}

/// Opens a body. `count` is told of every piece before it is kept. Answers at most `limit` bytes, and whether there
/// are more.
pub(crate) fn inflate<E>(
    bytes: &[u8],
    encoding: Encoding,
    limit: usize,
    mut count: impl FnMut(usize) -> Result<(), E>,
) -> Result<(Vec<u8>, bool), Failure<E>> {
    let mut out = Vec::new();
    let mut keep = |out: &mut Vec<u8>, piece: &[u8]| {
        let room = limit - out.len();
        let kept = &piece[..piece.len().min(room)];
        count(kept.len()).map_err(Failure::Stopped)?;
        out.extend_from_slice(kept);
        Ok(piece.len() > room)
    };
    if bytes.is_empty() {
        return Ok((out, false));
    }
    let mut step = vec![0; STEP_BYTES.min(limit.saturating_add(1))];
    match encoding {
        Encoding::Gzip => {
            let mut decoder = MultiGzDecoder::new(bytes);
            loop {
                match decoder.read(&mut step) {
                    Ok(0) => return Ok((out, false)),
                    Ok(made) => {
                        if keep(&mut out, &step[..made])? {
                            return Ok((out, true));
                        }
                    }
                    Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                        return Err(Failure::Broken("it ends too early".to_owned()));
                    }
                    Err(error) => return Err(Failure::Broken(error.to_string())),
                }
            }
        }
        Encoding::Deflate => {
            let mut decoder = Decompress::new(has_zlib_frame(bytes));
            loop {
                let (read, written) = (decoder.total_in(), decoder.total_out());
                let rest = usize::try_from(read).ok().and_then(|read| bytes.get(read..)).unwrap_or_default();
                let status = decoder
                    .decompress(rest, &mut step, FlushDecompress::None)
                    .map_err(|error| Failure::Broken(error.to_string()))?;
                let made = usize::try_from(decoder.total_out() - written).unwrap_or(step.len());
                if keep(&mut out, &step[..made])? {
                    return Ok((out, true));
                }
                if status == Status::StreamEnd {
                    return Ok((out, false));
                }
                if made == 0 && decoder.total_in() == read {
                    return Err(Failure::Broken("it ends too early".to_owned()));
                }
            }
        }
    }
}

/// The first two bytes of zlib's frame: the method in the low bits, and a sum that 31 divides.
fn has_zlib_frame(bytes: &[u8]) -> bool {
    match bytes {
        [method, flags, ..] => method & 0x0f == 8 && (u16::from(*method) << 8 | u16::from(*flags)) % 31 == 0,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use http::HeaderValue;

    use super::*;

    fn plain() -> Vec<u8> {
        (0..200_000_u32).flat_map(|n| n.wrapping_mul(n).to_le_bytes()).collect()
    }

    fn opened(bytes: &[u8], encoding: Encoding, limit: usize) -> Result<(Vec<u8>, bool), Failure<()>> {
        inflate(bytes, encoding, limit, |_| Ok(()))
    }

    fn compressed(plain: &[u8]) -> [(Encoding, Vec<u8>); 3] {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::fast());
        for encoder in [&mut gzip as &mut dyn Write, &mut zlib, &mut raw] {
            encoder.write_all(plain).unwrap();
        }
        [
            (Encoding::Gzip, gzip.finish().unwrap()),
            (Encoding::Deflate, zlib.finish().unwrap()),
            (Encoding::Deflate, raw.finish().unwrap()),
        ]
    }

    #[test]
    fn bodies_come_back_up_to_the_limit() {
        let plain = plain();
        for (encoding, bytes) in compressed(&plain) {
            assert_eq!(opened(&bytes, encoding, plain.len()).unwrap(), (plain.clone(), false));
            let (start, more) = opened(&bytes, encoding, 100_000).unwrap();
            assert!(more && start == plain[..100_000]);
            assert_eq!(opened(&bytes, encoding, 0).unwrap(), (Vec::new(), true));
        }
    }

    #[test]
    fn cut_and_damaged_bodies_are_broken() {
        for (encoding, bytes) in compressed(&plain()) {
            for end in [1, 5, bytes.len() / 2, bytes.len() - 1] {
                let cut = opened(&bytes[..end], encoding, usize::MAX);
                assert!(matches!(cut, Err(Failure::Broken(_))), "{encoding:?} cut at {end}");
            }
        }
        for encoding in [Encoding::Gzip, Encoding::Deflate] {
            assert!(matches!(opened(b"{\"no\": \"compression\"}", encoding, 99), Err(Failure::Broken(_))));
            assert_eq!(opened(b"", encoding, 9).unwrap(), (Vec::new(), false));
        }
    }

    #[test]
    fn who_counts_may_stop_it() {
        let [(encoding, bytes), ..] = compressed(&plain());
        let mut seen = 0;
        let stopped = inflate(&bytes, encoding, usize::MAX, |made| {
            seen += made;
            if seen > 200_000 { Err(seen) } else { Ok(()) }
        });
        assert!(matches!(stopped, Err(Failure::Stopped(at)) if at <= 200_000 + STEP_BYTES));
    }

    #[test]
    fn header_names_one_known_encoding_or_none() {
        let of = |lines: &[&'static str]| {
            let pair = |line: &&'static str| (header::CONTENT_ENCODING, HeaderValue::from_static(line));
            Encoding::of(&lines.iter().map(pair).collect())
        };
        assert_eq!(of(&[]), Ok(None));
        assert_eq!(of(&["identity"]), Ok(None));
        assert_eq!(of(&["GZip"]), Ok(Some(Encoding::Gzip)));
        assert_eq!(of(&["deflate, identity"]), Ok(Some(Encoding::Deflate)));
        assert_eq!(of(&["br"]), Err("br".to_owned()));
        assert_eq!(of(&["gzip, gzip"]), Err("gzip, gzip".to_owned()));
        assert_eq!(of(&["gzip", "deflate"]), Err("deflate".to_owned()));
    }
}
