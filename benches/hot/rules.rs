//! Rules by origin: a list of a hundred thousand names costs what one of ten does.

use std::hint::black_box;
use std::sync::{Arc, LazyLock};

use vestibule::matrix::endpoint::Class;
use vestibule::matrix::{ServerPattern, credentials};
use vestibule::policy::Caller;
use vestibule::policy::origin_rules::{
    Action, Answer, List, Names, OriginRules, Permission, Question, Rule,
};

use super::Hot;

const X_MATRIX: &[u8] =
    b"X-Matrix origin=\"matrix.remote.example.org:8448\",key=\"ed25519:a_AbCd\",\
    sig=\"AbcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklMNOPQRSTUVWXYZ01234567\"";

/// Made when it is asked for: that takes longer than all that is measured here.
static RULES: LazyLock<OriginRules> = LazyLock::new(|| {
    let pattern = |number: u32| -> ServerPattern {
        let text = match number % 2 {
            0 => format!("server{number}.example{}.org", number % 977),
            _ => format!("*.sub{number}.spam{}.example", number % 977),
        };
        text.parse().unwrap()
    };
    let names: Names = (0..100_000).map(pattern).collect();
    OriginRules {
        rules: vec![Arc::new(Rule {
            name: "listed".into(),
            action: Action::Deny(Answer::Forbidden),
            origins: Names::default(),
            lists: vec![0],
            classes: Vec::new(),
            sites: Vec::new(),
            listeners: Vec::new(),
            is_dry: false,
        })],
        lists: vec![List {
            name: "list".into(),
            names: Arc::new(names),
        }],
        strangers: Permission::Allow,
        ip_literals: Permission::Allow,
    }
});

pub(super) fn all() -> Vec<Hot> {
    let credentials = credentials([X_MATRIX]);
    vec![Hot::new("rules/list_of_100000", move || {
        black_box(RULES.decide(black_box(&Question {
            caller: Caller::new(&credentials, None),
            class: Class::FedTransaction,
            site: "example.com",
            listener: "*:8448",
        })));
    })]
}
