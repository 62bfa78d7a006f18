//! Whether a server may do what it asks for, by its name.
//!
//! The first rule that names it, for this kind of request, decides; where none does, what holds
//! for strangers. A rule that denies goes by what the request claims: a false claim harms only
//! whoever makes it. A rule that allows takes a proven origin and nothing else, which the types see
//! to. Credentials that two readers might read differently are refused wherever a rule could deny,
//! because whom they name is anybody's choice.

mod names;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::Caller;
use crate::matrix::ServerName;
use crate::matrix::endpoint::Class;
use crate::matrix::signature::VerifiedOrigin;

pub use names::Names;

use names::{Asked, Reach};

/// The name of what decided where no rule did: nobody named the origin, and strangers are denied.
pub const STRANGERS: &str = "strangers";
/// The same: the origin is an IP address.
pub const IP_LITERALS: &str = "ip_literals";
/// The same: the credentials could name anybody.
pub const AMBIGUOUS: &str = "ambiguous";

/// All rules, in their order, and what their lists hold.
#[derive(Clone, Debug)]
pub struct OriginRules {
    /// The first that fits decides.
    pub rules: Vec<Arc<Rule>>,
    /// The lists, in the order in which rules number them.
    pub lists: Vec<List>,
    /// What becomes of origins that no rule names.
    pub strangers: Permission,
    /// What becomes of those of them that are IP addresses.
    pub ip_literals: Permission,
}

/// A list of servers, as it was read last.
#[derive(Clone, Debug)]
pub struct List {
    /// What rules and metrics call it.
    pub name: Arc<str>,
    /// Whom it names.
    pub names: Arc<Names>,
}

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// What metrics and logs call it.
    pub name: Arc<str>,
    /// What it does.
    pub action: Action,
    /// Whom it names itself.
    pub origins: Names,
    /// Whose contents it names as well, by their place among the lists.
    pub lists: Vec<usize>,
    /// The requests that it is about, by class; empty for all.
    pub classes: Vec<Class>,
    /// The sites that it is about; empty for all.
    pub sites: Vec<Box<str>>,
    /// The listeners that it is about; empty for all.
    pub listeners: Vec<Box<str>>,
    /// Whether it refuses nothing, and later rules decide.
    pub is_dry: bool,
}

/// What a rule does with whom it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Lets it pass, once it is proven who it is.
    Allow,
    /// Refuses, with this answer.
    Deny(Answer),
}

/// Whether somebody may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Yes.
    Allow,
    /// No.
    Deny,
}

/// What who is refused is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// 403: the sender does not come back with this request.
    Forbidden,
    /// 401: the sender keeps away altogether for a while.
    Unauthorized,
    /// 429: the sender tries again for a while, and then keeps away.
    Tarpit,
    /// 400, as a homeserver answers credentials that it cannot read.
    Malformed,
}

/// What is asked of the rules.
#[derive(Clone, Copy, Debug)]
pub struct Question<'q> {
    /// Who calls.
    pub caller: Caller<'q>,
    /// What for.
    pub class: Class,
    /// Of which site.
    pub site: &'q str,
    /// On which listener.
    pub listener: &'q str,
}

/// What the rules say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// What is to be done.
    pub decision: Decision,
    /// What the first dry rule that fits would have done.
    pub tried: Option<Refused>,
}

/// What is to be done with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// No rule has anything against it.
    Pass,
    /// This rule allows it to who has proven to be whom it names.
    Allowed(Arc<str>),
    /// This rule would allow it: the rules are to be asked again once the origin is proven, and
    /// unless it is, the request may not pass.
    NeedsProof(Arc<str>),
    /// It is refused.
    Refused(Refused),
}

/// How a request is refused, and by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What its sender is told.
    pub answer: Answer,
    /// The rule's name, or that of what decides where no rule does.
    pub rule: Arc<str>,
}

impl Default for OriginRules {
    /// Everybody may do everything.
    fn default() -> Self {
        Self {
            rules: Vec::new(),
            lists: Vec::new(),
            strangers: Permission::Allow,
            ip_literals: Permission::Allow,
        }
    }
}

impl OriginRules {
    /// Whether anything could ever be refused or allowed: else nobody needs to ask.
    pub fn are_none(&self) -> bool {
        let is_open = |permission| permission == Permission::Allow;
        self.rules.is_empty() && is_open(self.strangers) && is_open(self.ip_literals)
    }

    /// The same rules, with what the list called `name` holds now.
    #[must_use]
    pub fn with_list(&self, name: &str, names: &Arc<Names>) -> Self {
        let mut rules = self.clone();
        let mut lists = rules.lists.iter_mut();
        if let Some(list) = lists.find(|list| *list.name == *name) {
            list.names = names.clone();
        }
        rules
    }

    /// What is said to have decided: every rule's name, and those of what decides where none does.
    pub fn names_of_rules(&self) -> impl Iterator<Item = &str> {
        let rules = self.rules.iter().map(|rule| &*rule.name);
        rules.chain([STRANGERS, IP_LITERALS, AMBIGUOUS])
    }

    /// Decides about one request.
    pub fn decide(&self, question: &Question<'_>) -> Ruling {
        match question.caller {
            // Whoever needs credentials refuses who has none.
            Caller::Nobody => Ruling::pass(),
            Caller::Ambiguous => self.of_ambiguous(question),
            Caller::Claimed(origin) => self.of(origin.server_name(), None, question),
            Caller::Verified(origin) => self.of(origin.server_name(), Some(origin), question),
        }
    }

    fn of(
        &self,
        origin: &ServerName,
        proof: Option<&VerifiedOrigin>,
        question: &Question<'_>,
    ) -> Ruling {
        let asked = Asked::new(origin);
        let mut ruling = Ruling::pass();
        let fitting = self.rules.iter();
        for rule in fitting.filter(|rule| rule.is_about(question) && self.names(rule, &asked)) {
            match rule.action {
                Action::Allow => return ruling.decided(Decision::of_allowing(rule, proof)),
                Action::Deny(answer) if rule.is_dry => ruling.try_out(answer, rule.name.clone()),
                Action::Deny(answer) => return ruling.refused(answer, rule.name.clone()),
            }
        }
        if asked.is_address && self.ip_literals == Permission::Deny {
            return ruling.refused(Answer::Forbidden, IP_LITERALS.into());
        }
        if self.strangers == Permission::Deny {
            return ruling.refused(Answer::Forbidden, STRANGERS.into());
        }
        ruling
    }

    /// Credentials that name one origin to one reader and another one to the next could name
    /// somebody whom a rule denies.
    fn of_ambiguous(&self, question: &Question<'_>) -> Ruling {
        let mut ruling = Ruling::pass();
        let is_denying = |rule: &&Arc<Rule>| matches!(rule.action, Action::Deny(_));
        let rules = self.rules.iter().filter(|rule| rule.is_about(question));
        for rule in rules.filter(is_denying) {
            if !rule.is_dry {
                return ruling.refused(Answer::Malformed, AMBIGUOUS.into());
            }
            ruling.try_out(Answer::Malformed, AMBIGUOUS.into());
        }
        if [self.strangers, self.ip_literals].contains(&Permission::Deny) {
            return ruling.refused(Answer::Malformed, AMBIGUOUS.into());
        }
        ruling
    }

    fn names(&self, rule: &Rule, asked: &Asked) -> bool {
        let reach = match rule.action {
            Action::Allow => Reach::AsWritten,
            Action::Deny(_) => Reach::EveryPort,
        };
        let lists = rule.lists.iter().filter_map(|list| self.lists.get(*list));
        rule.origins.has(asked, reach) || lists.into_iter().any(|list| list.names.has(asked, reach))
    }
}

impl Rule {
    fn is_about(&self, question: &Question<'_>) -> bool {
        let among = |names: &[Box<str>], name: &str| {
            names.is_empty() || names.iter().any(|one| **one == *name)
        };
        (self.classes.is_empty() || self.classes.contains(&question.class))
            && among(&self.sites, question.site)
            && among(&self.listeners, question.listener)
    }
}

impl Ruling {
    fn pass() -> Self {
        Self {
            decision: Decision::Pass,
            tried: None,
        }
    }

    fn decided(mut self, decision: Decision) -> Self {
        self.decision = decision;
        self
    }

    fn refused(self, answer: Answer, rule: Arc<str>) -> Self {
        self.decided(Decision::Refused(Refused { answer, rule }))
    }

    fn try_out(&mut self, answer: Answer, rule: Arc<str>) {
        self.tried.get_or_insert(Refused { answer, rule });
    }
}

impl Decision {
    /// The only way to be allowed: with a proof.
    fn of_allowing(rule: &Rule, proof: Option<&VerifiedOrigin>) -> Self {
        match proof {
            Some(_) => Self::Allowed(rule.name.clone()),
            None => Self::NeedsProof(rule.name.clone()),
        }
    }
}
