//! The records of an answer as bytes.

use std::io::Error;

use fluvio_protocol::bytes::{Buf, BufMut};
use fluvio_protocol::{Decoder, Encoder, Version};

/// Batches as they lie in the log, written as they are.
///
/// A set of decoded batches always ends with a whole one. An SPU sends a piece of a file, which may end anywhere.
#[derive(Debug, Default)]
pub(super) struct RawRecordSet(pub(super) Vec<u8>);

impl Encoder for RawRecordSet {
    fn write_size(&self, version: Version) -> usize {
        0_i32.write_size(version) + self.0.len()
    }

    fn encode<T: BufMut>(&self, destination: &mut T, version: Version) -> Result<(), Error> {
        let length = i32::try_from(self.0.len()).map_err(Error::other)?;
        length.encode(destination, version)?;
        destination.put_slice(&self.0);
        Ok(())
    }
}

impl Decoder for RawRecordSet {
    fn decode<T: Buf>(&mut self, source: &mut T, version: Version) -> Result<(), Error> {
        let mut length = 0_i32;
        length.decode(source, version)?;
        self.0.clear();
        self.0.put(source.take(usize::try_from(length).map_err(Error::other)?));
        Ok(())
    }
}
