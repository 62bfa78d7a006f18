//! HTTP messages as this program carries them: heads whose fields keep their order and spelling,
//! and bodies in chunks.

pub mod chunked;
mod fields;
mod head;
pub(crate) mod syntax;

use bytes::BytesMut;

pub use fields::Fields;
pub use head::{Protocol, RequestHead, ResponseHead};

/// What was read, in no more memory than it deserves: pieces of a body live on for as long as
/// somebody has not sent them, and small ones must not each hold a large buffer.
pub(crate) fn fitting(read: BytesMut) -> BytesMut {
    if read.len() < read.capacity() / 4 {
        BytesMut::from(&*read)
    } else {
        read
    }
}
