//! The body of an answer while it comes in.

use bytes::{Bytes, BytesMut};

use super::Broken;
use crate::message::chunked::{Decoder, Progress};

/// What of an answer's body is still to come.
#[derive(Debug)]
pub(super) enum Body {
    /// Nothing.
    None,
    /// So many bytes.
    Length(u64),
    /// Chunks up to the last one.
    Chunked(Decoder),
    /// Whatever comes until the connection closes.
    UntilClose,
}

impl Body {
    pub(super) fn is_over(&self) -> bool {
        match self {
            Self::None => true,
            Self::Length(left) => *left == 0,
            Self::Chunked(decoder) => decoder.is_ended(),
            Self::UntilClose => false,
        }
    }

    pub(super) fn ends_with_connection(&self) -> bool {
        matches!(self, Self::UntilClose)
    }

    /// Takes what of `input` belongs to the body; `None` where that is no data.
    pub(super) fn take(&mut self, input: &mut BytesMut) -> Result<Option<Bytes>, Broken> {
        let data = match self {
            Self::None => return Ok(None),
            Self::Length(left) => {
                let most = usize::try_from(*left).unwrap_or(usize::MAX);
                let data = input.split_to(input.len().min(most));
                *left -= data.len() as u64;
                data
            }
            Self::Chunked(decoder) => {
                let mut data = BytesMut::new();
                match decoder.decode(input, &mut data) {
                    Ok(Progress::More) => input.clear(),
                    Ok(Progress::End(length)) => drop(input.split_to(length)),
                    Err(_) => return Err(Broken::Invalid("its chunks are malformed")),
                }
                data
            }
            Self::UntilClose => std::mem::take(input),
        };
        Ok(Some(data.freeze()).filter(|data| !data.is_empty()))
    }
}
