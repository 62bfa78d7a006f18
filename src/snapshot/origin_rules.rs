//! Rules by origin, as they are asked.

use std::sync::Arc;

use crate::config::{self, Federation};
use crate::policy::origin_rules::{Action, Answer, List, Names, OriginRules, Permission, Rule};

/// The rules of a configuration. Their lists are empty until somebody reads them.
pub(super) fn origin_rules(written: &Federation) -> OriginRules {
    let lists = written.lists.iter();
    OriginRules {
        rules: written
            .rules
            .iter()
            .map(|rule| Arc::new(compiled(rule, written)))
            .collect(),
        lists: lists
            .map(|list| List {
                name: list.name.as_str().into(),
                names: Arc::new(Names::default()),
            })
            .collect(),
        strangers: permission(*written.strangers),
        ip_literals: permission(*written.ip_literals),
    }
}

fn compiled(rule: &config::OriginRule, federation: &Federation) -> Rule {
    let place = |name: &config::RuleName| {
        let mut lists = federation.lists.iter();
        lists.position(|list| *list.name == *name)
    };
    Rule {
        name: rule.name.as_str().into(),
        action: match (*rule.action, rule.answer) {
            (config::Permission::Allow, _) => Action::Allow,
            (config::Permission::Deny, config::OriginAnswer::Forbidden) => {
                Action::Deny(Answer::Forbidden)
            }
            (config::Permission::Deny, config::OriginAnswer::Unauthorized) => {
                Action::Deny(Answer::Unauthorized)
            }
            (config::Permission::Deny, config::OriginAnswer::Tarpit) => {
                Action::Deny(Answer::Tarpit)
            }
        },
        origins: rule.origins.iter().map(|it| it.pattern().clone()).collect(),
        lists: rule.lists.iter().filter_map(|name| place(name)).collect(),
        classes: rule.classes.iter().map(|name| name.class()).collect(),
        sites: rule.sites.iter().map(|site| site.as_str().into()).collect(),
        listeners: rule
            .listeners
            .iter()
            .map(|address| address.to_string().into())
            .collect(),
        is_dry: rule.dry_run,
    }
}

fn permission(written: config::Permission) -> Permission {
    match written {
        config::Permission::Allow => Permission::Allow,
        config::Permission::Deny => Permission::Deny,
    }
}
