//! Base64 as Matrix writes it (appendices, "Unpadded Base64").

use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Writes no padding, and reads what people copy and Python takes: neither padding nor the bits
/// after the last byte matter.
pub const BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, LENIENT);

pub(super) const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_encode_padding(false)
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
