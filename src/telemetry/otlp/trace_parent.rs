//! The trace that a request belongs to already.

/// A `traceparent` (W3C Trace Context level 1, 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TraceParent {
    /// Never zero.
    pub(super) trace_id: u128,
    /// The span of the caller; never zero.
    pub(super) parent_id: u64,
    /// Whether the caller may have recorded it.
    pub(super) is_sampled: bool,
}

/// How long version 00 is. Later versions may only add to it.
const LENGTH: usize = 55;

impl TraceParent {
    /// The context in the `traceparent` fields of a request: in the only one, where it is valid.
    pub(super) fn of_fields<'f>(mut fields: impl Iterator<Item = &'f [u8]>) -> Option<Self> {
        let only = fields.next()?;
        fields.next().is_none().then(|| Self::parse(only))?
    }

    fn parse(value: &[u8]) -> Option<Self> {
        let (known, added) = value.split_at_checked(LENGTH)?;
        let parts: Vec<&[u8]> = known.split(|byte| *byte == b'-').collect();
        let [version, trace_id, parent_id, flags] = parts.as_slice() else {
            return None;
        };
        let version = hexadecimal(version, 2)?;
        let is_whole = match version {
            0 => added.is_empty(),
            0xff => false,
            _ => added.is_empty() || added.starts_with(b"-"),
        };
        let trace_id = hexadecimal(trace_id, 32)?;
        let parent_id = u64::try_from(hexadecimal(parent_id, 16)?).ok()?;
        let flags = hexadecimal(flags, 2)?;
        (is_whole && trace_id != 0 && parent_id != 0).then_some(Self {
            trace_id,
            parent_id,
            is_sampled: flags & 1 == 1,
        })
    }
}

/// A number of exactly so many digits, in lower case as the specification demands.
fn hexadecimal(digits: &[u8], length: usize) -> Option<u128> {
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if digits.len() != length || !digits.iter().all(is_digit) {
        return None;
    }
    u128::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn parse(value: &str) -> Option<TraceParent> {
        TraceParent::of_fields([value.as_bytes()].into_iter())
    }

    #[test]
    fn reads_what_is_valid() {
        let expected = TraceParent {
            trace_id: 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736,
            parent_id: 0x00f0_67aa_0ba9_02b7,
            is_sampled: true,
        };
        assert_eq!(parse(VALID), Some(expected));
        let later = VALID.replacen("00", "cc", 1);
        assert_eq!(parse(&later), Some(expected));
        assert_eq!(parse(&format!("{later}-what-comes")), Some(expected));
        for (flags, is_sampled) in [("00", false), ("02", false), ("ff", true)] {
            let value = format!("{}{flags}", &VALID[..53]);
            let expected = TraceParent {
                is_sampled,
                ..expected
            };
            assert_eq!(parse(&value), Some(expected), "{value}");
        }
    }

    #[test]
    fn refuses_everything_else() {
        for value in [
            "",
            "00",
            &VALID[..54],
            &format!("{VALID}-00"),
            &format!("{VALID}0"),
            &format!(" {VALID}"),
            &VALID.to_uppercase(),
            &VALID.replacen("00", "ff", 1),
            &format!("{}0", VALID.replacen("00", "01", 1)),
            &VALID.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            &VALID.replace("00f067aa0ba902b7", &"0".repeat(16)),
            &VALID.replace("4bf9", "+bf9"),
            &VALID.replace('-', "_"),
            "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01",
        ] {
            assert_eq!(parse(value), None, "{value}");
        }
        let twice = [VALID.as_bytes(); 2];
        assert_eq!(TraceParent::of_fields(twice.into_iter()), None);
    }
}
