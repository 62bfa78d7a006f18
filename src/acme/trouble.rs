//! What went wrong with an order, whose doing it is, and what to do about it.

use std::fmt;

use instant_acme::{ChallengeType, Error, Problem};
use time::Duration;

use super::client::{Answered, ClientError};
use super::schedule::Failed;
use crate::listen::certificates::{CertificateName, CertificateProblem};

/// The most that is repeated of what an authority says.
const SAID: usize = 300;

/// Why an order brought no certificate.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// The authority could not be asked.
    #[error("the authority cannot be reached: {0}")]
    Unreachable(String),
    /// The authority says no.
    #[error("{0}")]
    Refused(Refusal),
    /// The authority was asked, and nothing came of it in time.
    #[error("the authority did not come to an end within {0}")]
    Late(Duration),
    /// It offers none of the challenges that are configured.
    #[error("the authority offers none of the challenges in `tls.challenges` for this name")]
    NoChallenge,
    /// What it sent cannot be served.
    #[error("the authority sent a certificate that cannot be served: {0}")]
    Unusable(#[from] CertificateProblem),
    /// It sent a certificate for something else.
    #[error("the authority sent a certificate for another name")]
    OtherName,
    /// The authority speaks ACME in a way that we do not understand.
    #[error("the authority is not understood: {0}")]
    Confused(String),
    /// The state folder.
    #[error(
        "the state folder cannot be used: {0}; make it writable for the user vestibule runs as"
    )]
    Folder(#[from] std::io::Error),
    /// A key or a request could not be made.
    #[error("cannot make a request for a certificate: {0}")]
    Sign(#[from] rcgen::Error),
    /// The key of the external account.
    #[error("the key in {0} is not base64url; write it as the authority gave it out")]
    ExternalKey(String),
}

/// What an authority refuses, in its words and ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The end of the problem's type, such as `rateLimited`; empty where it gave none.
    kind: String,
    /// Printable, and not for ever.
    detail: String,
    /// How the name was to be checked, where that failed.
    challenge: Option<&'static str>,
    retry_after: Option<Duration>,
}

impl Trouble {
    /// What metrics call it.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::Refused(refusal) if refusal.kind == "rateLimited" => "rate_limited",
            Self::Refused(_) => "refused",
            Self::Late(_) => "late",
            Self::NoChallenge | Self::Unusable(_) | Self::OtherName | Self::Confused(_) => {
                "not_usable"
            }
            Self::Folder(_) | Self::Sign(_) | Self::ExternalKey(_) => "own_fault",
        }
    }

    /// Whether another authority might do better: not where the name itself is the matter.
    pub(super) fn is_of_this_authority(&self) -> bool {
        match self {
            Self::Refused(refusal) => !matches!(
                &*refusal.kind,
                "connection" | "dns" | "tls" | "unauthorized" | "incorrectResponse"
            ),
            Self::Unreachable(_)
            | Self::Late(_)
            | Self::NoChallenge
            | Self::Unusable(_)
            | Self::OtherName
            | Self::Confused(_)
            | Self::ExternalKey(_) => true,
            Self::Folder(_) | Self::Sign(_) => false,
        }
    }

    /// How it bears on the next try.
    pub(super) fn failed(&self) -> Failed {
        match self {
            Self::Unreachable(_) => Failed::Unreached,
            Self::Refused(refusal) if refusal.kind == "rateLimited" => Failed::RateLimited,
            Self::Refused(_)
            | Self::Late(_)
            | Self::NoChallenge
            | Self::Unusable(_)
            | Self::OtherName
            | Self::Confused(_)
            | Self::Folder(_)
            | Self::Sign(_)
            | Self::ExternalKey(_) => Failed::Otherwise,
        }
    }

    /// Whether the order may still bring a certificate.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Late(_) | Self::Folder(_) => true,
            Self::Refused(refusal) => matches!(&*refusal.kind, "rateLimited" | "serverInternal"),
            Self::NoChallenge
            | Self::Unusable(_)
            | Self::OtherName
            | Self::Confused(_)
            | Self::Sign(_)
            | Self::ExternalKey(_) => false,
        }
    }

    /// Whether the authority does not know an account that we remember.
    pub(super) fn is_unknown_account(&self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.kind == "accountDoesNotExist")
    }

    /// Whether an order may be refused, or not be understood, because it says what it replaces:
    /// that was replaced already, or the authority knows nothing of it.
    pub(super) fn may_be_of_replacing(&self) -> bool {
        match self {
            Self::Confused(_) => true,
            Self::Refused(refusal) => matches!(&*refusal.kind, "alreadyReplaced" | "malformed"),
            Self::Unreachable(_)
            | Self::Late(_)
            | Self::NoChallenge
            | Self::Unusable(_)
            | Self::OtherName
            | Self::Folder(_)
            | Self::Sign(_)
            | Self::ExternalKey(_) => false,
        }
    }

    fn refusal(&self) -> Option<&Refusal> {
        if let Self::Refused(refusal) = self {
            return Some(refusal);
        }
        None
    }

    /// How long the authority asks to wait.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        self.refusal()?.retry_after
    }

    /// What an operator can do about it.
    pub(super) fn remedy(&self, name: &CertificateName) -> Option<String> {
        let refusal = self.refusal()?;
        let port = match refusal.challenge {
            Some("http-01") => "port 80",
            Some(_) => "port 443",
            None => "ports 80 and 443",
        };
        Some(match &*refusal.kind {
            "connection" | "tls" => format!(
                "{port} of {name} must be open to the internet and lead to this program: \
                 check firewall, port forwarding and the addresses in DNS, IPv6 too"
            ),
            "dns" => {
                format!("{name} must have an A or AAAA record with the address of this machine")
            }
            "unauthorized" | "incorrectResponse" => format!(
                "something else answers on {port} of {name}: point its A and AAAA records to this \
                 machine, and let what stands before it pass the request on"
            ),
            "caa" => format!("a CAA record of {name} names other authorities: add this one to it"),
            "rejectedIdentifier" | "unsupportedIdentifier" => format!(
                "the authority issues nothing for {name}: take it from the configuration, or use \
                 source = \"files\" or \"internal\""
            ),
            "rateLimited" => {
                "nothing needs to be done: it is tried again when the authority allows it"
                    .to_owned()
            }
            "externalAccountRequired" => "set `external_account` of the authority".to_owned(),
            "invalidProfile" => "set `profile` of the authority to one that it offers".to_owned(),
            "invalidContact" | "unsupportedContact" => {
                "correct `contact`, or leave it out".to_owned()
            }
            _ => return None,
        })
    }
}

impl Refusal {
    pub(super) fn of(problem: &Problem, challenge: Option<&ChallengeType>) -> Self {
        let kind = problem.r#type.as_deref().unwrap_or_default();
        let kind = kind.rsplit(':').next().unwrap_or_default();
        let mut detail = sanitised(problem.detail.as_deref().unwrap_or_default());
        for sub in &problem.subproblems {
            let more = sanitised(sub.detail.as_deref().unwrap_or_default());
            detail = sanitised(&format!("{detail}; {more}"));
        }
        Self {
            kind: kind
                .chars()
                .filter(char::is_ascii_alphanumeric)
                .take(40)
                .collect(),
            detail,
            challenge: challenge.and_then(word),
            retry_after: None,
        }
    }
}

/// Challenges as RFC 8555 and RFC 8737 write them.
fn word(challenge: &ChallengeType) -> Option<&'static str> {
    if *challenge == ChallengeType::Http01 {
        Some("http-01")
    } else if *challenge == ChallengeType::TlsAlpn01 {
        Some("tls-alpn-01")
    } else {
        None
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.kind.is_empty() {
            "an error"
        } else {
            &self.kind
        };
        write!(f, "the authority says {kind}")?;
        if let Some(challenge) = self.challenge {
            write!(f, " for {challenge}")?;
        }
        if self.detail.is_empty() {
            return Ok(());
        }
        write!(f, ": \"{}\"", self.detail)
    }
}

impl From<Answered> for Trouble {
    fn from(answered: Answered) -> Self {
        let refusal = Refusal {
            retry_after: answered.retry_after,
            ..Refusal::of(&answered.problem, None)
        };
        Self::Refused(refusal)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        if let Error::Timeout(_) = error {
            return Self::Late(super::order::PATIENCE);
        }
        if let Error::Api(problem) = &error {
            return Self::Refused(Refusal::of(problem, None));
        }
        let Error::Other(inner) = error else {
            return Self::Confused(sanitised(&error.to_string()));
        };
        match inner.downcast::<ClientError>().map(|error| *error) {
            Ok(ClientError::Answered(answered)) => Self::from(answered),
            Ok(error @ (ClientError::NoAnswer(_) | ClientError::Timeout | ClientError::Body)) => {
                Self::Unreachable(sanitised(&error.to_string()))
            }
            Err(other) => Self::Confused(sanitised(&other.to_string())),
        }
    }
}

/// What somebody else wrote, on one line, printable and short.
pub(super) fn sanitised(text: &str) -> String {
    let is_shown = |c: &char| c.is_ascii_graphic() || *c == ' ';
    let shown = text
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c });
    let shown: String = shown.filter(is_shown).take(SAID + 1).collect();
    let shown = shown.replace('"', "'");
    match shown.get(..SAID) {
        Some(begin) if shown.len() > SAID => format!("{begin}..."),
        _ => shown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(kind: &str, challenge: Option<&ChallengeType>) -> Trouble {
        let problem = Problem {
            r#type: Some(format!("urn:ietf:params:acme:error:{kind}")),
            detail: Some("10.0.0.1: \"Fetching\"\n\u{1b}[31mtimeout \u{202e}".to_owned()),
            status: Some(400),
            subproblems: Vec::new(),
        };
        Trouble::Refused(Refusal::of(&problem, challenge))
    }

    #[test]
    fn says_what_the_authority_said_and_nothing_that_moves_a_cursor() {
        let trouble = refused("connection", Some(&ChallengeType::Http01));
        assert_eq!(
            trouble.to_string(),
            "the authority says connection for http-01: \"10.0.0.1: 'Fetching' [31mtimeout \""
        );
        assert_eq!(sanitised(&"x".repeat(1000)).len(), SAID + 3);
    }

    #[test]
    fn each_kind_has_its_word_its_remedy_and_its_owner() {
        let name = "matrix.example.com".parse().unwrap();
        for (kind, word, is_of_this_authority, remedy) in [
            (
                "connection",
                "refused",
                false,
                Some("port 80 of matrix.example.com must be open"),
            ),
            (
                "dns",
                "refused",
                false,
                Some("must have an A or AAAA record"),
            ),
            (
                "unauthorized",
                "refused",
                false,
                Some("something else answers"),
            ),
            (
                "rateLimited",
                "rate_limited",
                true,
                Some("nothing needs to be done"),
            ),
            ("caa", "refused", true, Some("CAA record")),
            (
                "rejectedIdentifier",
                "refused",
                true,
                Some("source = \"files\""),
            ),
            (
                "externalAccountRequired",
                "refused",
                true,
                Some("external_account"),
            ),
            ("serverInternal", "refused", true, None),
        ] {
            let trouble = refused(kind, Some(&ChallengeType::Http01));
            assert_eq!(trouble.word(), word, "{kind}");
            assert_eq!(
                trouble.is_of_this_authority(),
                is_of_this_authority,
                "{kind}"
            );
            let found = trouble.remedy(&name);
            match remedy {
                Some(part) => assert!(found.as_deref().unwrap().contains(part), "{found:?}"),
                None => assert_eq!(found, None),
            }
        }
    }
}
