//! Whom a rule or a policy list means: one server, those below a name, or whatever a glob says.

use std::fmt;
use std::str::FromStr;

use super::ServerName;
use super::server_name::InvalidServerName;

/// The longest glob, in bytes: as long as a server name.
const LONGEST_GLOB: usize = 255;
/// So that matching stays cheap, whoever wrote the glob.
const MOST_STARS: usize = 8;

/// Servers by name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ServerPattern {
    /// `*`: all of them.
    All,
    /// `example.org`: one.
    One(ServerName),
    /// `*.example.org`: those below the name, at any depth, and not the name itself. Never an IP
    /// address.
    Below(ServerName),
    /// Any other use of `*` and `?`, as policy lists may have them.
    Glob(Glob),
}

/// `*` stands for any number of letters, none included, `?` for one (client-server API, "Moderation
/// policy lists"; appendices, "Glob-style matching"). In lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Glob(Box<str>);

/// Why a text names no servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidServerPattern {
    /// It is no server name.
    #[error(transparent)]
    Name(#[from] InvalidServerName),
    /// A `*` or `?` elsewhere than in front of `.example.org`.
    #[error("only \"*.\" in front of a name may stand for others")]
    Wildcard,
    /// `*.` in front of an IP address.
    #[error("there are no names below an IP address")]
    BelowAddress,
    /// A glob that is too long, or has too many `*`.
    #[error("a glob has at most {LONGEST_GLOB} characters, and {MOST_STARS} times \"*\"")]
    Glob,
}

impl FromStr for ServerPattern {
    type Err = InvalidServerPattern;

    /// Reads `*`, a server name, or `*.` and a server name. A port belongs to the name.
    fn from_str(text: &str) -> Result<Self, InvalidServerPattern> {
        if text == "*" {
            return Ok(Self::All);
        }
        let below = text.strip_prefix("*.");
        let name = below.unwrap_or(text);
        if name.contains(['*', '?']) {
            return Err(InvalidServerPattern::Wildcard);
        }
        let name: ServerName = name.parse()?;
        match below {
            None => Ok(Self::One(name)),
            Some(_) if name.ip().is_some() => Err(InvalidServerPattern::BelowAddress),
            Some(_) => Ok(Self::Below(name)),
        }
    }
}

impl ServerPattern {
    /// Reads what the entity of a policy rule may be: any glob.
    pub fn of_entity(text: &str) -> Result<Self, InvalidServerPattern> {
        match text.parse() {
            Err(InvalidServerPattern::Wildcard | InvalidServerPattern::BelowAddress) => {
                Glob::new(text).map(Self::Glob)
            }
            parsed => parsed,
        }
    }
}

impl fmt::Display for ServerPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::One(name) => name.fmt(f),
            Self::Below(name) => write!(f, "*.{name}"),
            Self::Glob(Glob(text)) => f.write_str(text),
        }
    }
}

impl Glob {
    fn new(text: &str) -> Result<Self, InvalidServerPattern> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-.:[]*?".contains(c);
        if let Some(bad) = text.chars().find(|c| !is_plain(*c)) {
            return Err(InvalidServerName::Character(bad).into());
        }
        let stars = text.bytes().filter(|byte| *byte == b'*').count();
        if text.len() > LONGEST_GLOB || stars > MOST_STARS {
            return Err(InvalidServerPattern::Glob);
        }
        Ok(Self(text.to_ascii_lowercase().into()))
    }

    /// Whether it has a letter of its own: others name everybody, or everybody of some length.
    pub fn names_somebody(&self) -> bool {
        self.0.bytes().any(|byte| byte.is_ascii_alphanumeric())
    }

    /// Whether it stands for `text`, which is in lower case.
    pub fn matches(&self, text: &str) -> bool {
        let (pattern, text) = (self.0.as_bytes(), text.as_bytes());
        let (mut at, mut place) = (0, 0);
        // Where the last `*` is, and up to where it stands for the text.
        let mut star: Option<(usize, usize)> = None;
        while let Some(letter) = text.get(at) {
            let wanted = pattern.get(place);
            if wanted == Some(&b'*') {
                star = Some((place, at));
                place += 1;
            } else if wanted.is_some_and(|wanted| *wanted == b'?' || wanted == letter) {
                at += 1;
                place += 1;
            } else if let Some((star_place, star_end)) = star {
                star = Some((star_place, star_end + 1));
                (place, at) = (star_place + 1, star_end + 1);
            } else {
                return false;
            }
        }
        let rest = pattern.get(place..).unwrap_or_default();
        rest.iter().all(|byte| *byte == b'*')
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_names_and_what_is_below_them() {
        for (text, shown) in [
            ("*", "*"),
            ("Evil.Example", "evil.example"),
            ("evil.example:8448", "evil.example:8448"),
            ("*.Spam.example", "*.spam.example"),
            ("[::1]", "[::1]"),
        ] {
            let pattern: ServerPattern = text.parse().unwrap();
            assert_eq!(pattern.to_string(), shown);
        }
        for (text, expected) in [
            ("evil*.example", InvalidServerPattern::Wildcard),
            ("*.*.example", InvalidServerPattern::Wildcard),
            ("*evil.example", InvalidServerPattern::Wildcard),
            ("e?il.example", InvalidServerPattern::Wildcard),
            ("*.1.2.3.4", InvalidServerPattern::BelowAddress),
            ("*.", InvalidServerName::Empty.into()),
            (".spam.example", InvalidServerName::Label.into()),
            ("", InvalidServerName::Empty.into()),
        ] {
            assert_eq!(text.parse::<ServerPattern>(), Err(expected), "{text}");
        }
    }

    #[test]
    fn entities_of_policy_lists_may_be_any_glob() {
        assert!(matches!(
            ServerPattern::of_entity("*evil.example"),
            Ok(ServerPattern::Glob(_))
        ));
        assert!(matches!(
            ServerPattern::of_entity("*.evil.example"),
            Ok(ServerPattern::Below(_))
        ));
        for text in ["a b*", "*********", "\u{e9}*"] {
            assert!(ServerPattern::of_entity(text).is_err(), "{text}");
        }
        assert!(!Glob::new("*.?*").unwrap().names_somebody());
    }

    #[test]
    fn stars_stand_for_any_number_of_letters_and_question_marks_for_one() {
        for (glob, text, expected) in [
            ("*evil.example", "evil.example", true),
            ("*evil.example", "notevil.example", true),
            ("*evil.example", "evil.example.org", false),
            ("ev?l.example", "evil.example", true),
            ("ev?l.example", "evl.example", false),
            ("*.a*b.*", "x.acb.y", true),
            ("*.a*b.*", "x.ab.", true),
            ("*.a*b.*", "x.a.y", false),
            ("EVIL*", "evil.example", true),
            ("a*a*a", "aa", false),
            ("a*a*a", "aaa", true),
            ("[::?]", "[::1]", true),
        ] {
            assert_eq!(Glob::new(glob).unwrap().matches(text), expected, "{glob}");
        }
    }

    proptest! {
        #[test]
        fn globs_match_what_regular_expressions_do(glob in "[ab.*?]{0,12}", text in "[ab.]{0,12}") {
            prop_assume!(glob.matches('*').count() <= MOST_STARS);
            let expression = regex::escape(&glob).replace("\\*", ".*").replace("\\?", ".");
            let expression = regex::Regex::new(&format!("^{expression}$")).unwrap();
            prop_assert_eq!(Glob::new(&glob).unwrap().matches(&text), expression.is_match(&text));
        }
    }
}
