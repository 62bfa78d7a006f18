//! A user's access token, as Synapse finds it in a request.

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::borrow::Cow;

use super::query::values;

/// `encode_base64` of Python's `unpaddedbase64`.
const UNPADDED: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// The access token of a request; `None` where Synapse would find none either.
///
/// `authorization` are the values of the `Authorization` headers, `query` is
/// what follows the `?` of the target. There may be one header, `Bearer` and
/// the token with one space between them, or the query parameter
/// `access_token`, whose first value counts; not both
/// (`get_access_token_from_request` of `synapse/api/auth/base.py`).
pub fn access_token<'r>(
    authorization: impl IntoIterator<Item = &'r [u8]>,
    query: &'r [u8],
) -> Option<Cow<'r, [u8]>> {
    let mut headers = authorization.into_iter();
    let mut in_query = values(query, "access_token");
    let token = match (headers.next(), headers.next(), in_query.next()) {
        (Some(header), None, None) => {
            let token = header.strip_prefix(b"Bearer ")?;
            (!token.contains(&b' ')).then_some(Cow::Borrowed(token))?
        }
        (None, None, Some(token)) => token,
        _ => return None,
    };
    (!token.is_empty()).then_some(token)
}

/// The localpart of the user of a token that Synapse itself gave out:
/// `syt_<localpart in unpadded base64>_<20 letters>_<checksum>`.
///
/// Nobody vouches for it: who chooses a token chooses the localpart in it, and
/// Synapse alone knows whether it is valid. It is good for choosing a worker
/// and for nothing else. Tokens of the Matrix Authentication Service and of
/// application services hold no name.
pub fn native_localpart(token: &[u8]) -> Option<Vec<u8>> {
    let mut parts = token.strip_prefix(b"syt_")?.split(|&b| b == b'_');
    let (encoded, random, checksum) = (parts.next()?, parts.next()?, parts.next()?);
    let is_whole = random.len() == 20 && checksum.len() >= 6 && parts.next().is_none();
    let localpart = UNPADDED.decode(encoded).ok().filter(|_| is_whole)?;
    (!localpart.is_empty()).then_some(localpart)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_where_synapse_looks_for_it() {
        for (headers, query, expected) in [
            (&["Bearer abc"] as &[&str], "", Some("abc")),
            (&[], "access_token=abc", Some("abc")),
            (&[], "x=1&access_token=a%62c&access_token=d", Some("abc")),
            (&[], "access%5Ftoken=abc", Some("abc")),
            (&["Bearer abc"], "access_token=abc", None),
            (&["Bearer abc"], "access_token=", None),
            (&["Bearer abc", "Bearer abc"], "", None),
            (&["bearer abc"], "", None),
            (&["Bearer  abc"], "", None),
            (&["Bearer abc def"], "", None),
            (&["Bearer"], "", None),
            (&["Bearer "], "", None),
            (&["Basic abc"], "", None),
            (&[], "access_token=", None),
            (&[], "Access_token=abc", None),
            (&[], "", None),
        ] {
            let found = access_token(headers.iter().map(|h| h.as_bytes()), query.as_bytes());
            assert_eq!(
                found.as_deref(),
                expected.map(str::as_bytes),
                "{headers:?} {query}"
            );
        }
    }

    #[test]
    fn a_native_token_names_its_user() {
        for (token, expected) in [
            // Of Synapse 1.163.2, for @alice, @bob.smith and @u/1=_-
            ("syt_YWxpY2U_GGRHnzBMccBqNsjLRLXk_0ILxXw", Some("alice")),
            (
                "syt_Ym9iLnNtaXRo_kXYSpwYNFlPtmcIQDPWy_2W6756",
                Some("bob.smith"),
            ),
            ("syt_dS8xPV8t_rhkFhuBZWJBEtGTRwfYM_45Pbcb", Some("u/1=_-")),
            ("syt_YWxpY2U_aYsdPrRIxMHMaUtYDMo_1MlJjt", None),
            ("syt_YWxpY2U_aYsdPrRIxMHMaUtYDMoN", None),
            ("syt_YWxpY2U_aYsdPrRIxMHMaUtYDMoN_1MlJjt_", None),
            ("syt__aYsdPrRIxMHMaUtYDMoN_1MlJjt", None),
            ("syt_YWxpY2U=_aYsdPrRIxMHMaUtYDMoN_1MlJjt", None),
            ("syt_*_aYsdPrRIxMHMaUtYDMoN_1MlJjt", None),
            ("mat_aYsdPrRIxMHMaUtYDMoN_1MlJjt", None),
            ("syl_aYsdPrRIxMHMaUtYDMoN_1MlJjt", None),
            ("", None),
        ] {
            let found = native_localpart(token.as_bytes());
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{token}");
        }
    }
}
