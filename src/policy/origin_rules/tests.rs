use super::*;
use crate::matrix::{Credentials, ServerPattern, credentials};

const SIGNATURE: &str =
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn names(patterns: &[&str]) -> Names {
    let patterns = patterns.iter().map(|text| text.parse().unwrap());
    patterns
        .collect::<Vec<ServerPattern>>()
        .into_iter()
        .collect()
}

fn rule(name: &str, action: Action, origins: &[&str]) -> Rule {
    Rule {
        name: name.into(),
        action,
        origins: names(origins),
        lists: Vec::new(),
        classes: Vec::new(),
        sites: Vec::new(),
        listeners: Vec::new(),
        is_dry: false,
    }
}

fn rules(rules: Vec<Rule>) -> OriginRules {
    OriginRules {
        rules: rules.into_iter().map(Arc::new).collect(),
        ..OriginRules::default()
    }
}

const DENY: Action = Action::Deny(Answer::Forbidden);

fn claim(origin: &str) -> Credentials {
    let header = format!("X-Matrix origin={origin},key=ed25519:a,sig={SIGNATURE}");
    let credentials = credentials([header.as_bytes()]);
    assert!(matches!(credentials, Credentials::Clear(_)), "{origin}");
    credentials
}

fn question(caller: Caller<'_>) -> Question<'_> {
    Question {
        caller,
        class: Class::FedQuery,
        site: "example.com",
        listener: "*:8448",
    }
}

/// What becomes of a claim, and of a proof, in one word each.
fn asked(rules: &OriginRules, origin: &str) -> [String; 2] {
    let credentials = claim(origin);
    let proof = VerifiedOrigin::assumed(origin);
    [None, Some(&proof)].map(|proof| {
        let ruling = rules.decide(&question(Caller::new(&credentials, proof)));
        let word = match ruling.decision {
            Decision::Pass => "pass".to_owned(),
            Decision::Allowed(rule) => format!("allowed by {rule}"),
            Decision::NeedsProof(rule) => format!("proof for {rule}"),
            Decision::Refused(Refused { answer, rule }) => format!("{answer:?} by {rule}"),
        };
        match ruling.tried {
            Some(tried) => format!("{word}, else {}", tried.rule),
            None => word,
        }
    })
}

#[test]
fn a_deny_list_goes_by_the_claim() {
    let rules = rules(vec![
        rule("gone", Action::Deny(Answer::Tarpit), &["old.example"]),
        rule("spam", DENY, &["*.spam.example", "spam.example"]),
    ]);
    assert_eq!(asked(&rules, "Spam.example"), ["Forbidden by spam"; 2]);
    assert_eq!(asked(&rules, "a.spam.example:1"), ["Forbidden by spam"; 2]);
    assert_eq!(asked(&rules, "old.example:8448"), ["Tarpit by gone"; 2]);
    assert_eq!(asked(&rules, "nice.example"), ["pass"; 2]);
}

#[test]
fn an_allow_list_takes_proof_and_nothing_else() {
    let rules = OriginRules {
        strangers: Permission::Deny,
        ..rules(vec![rule(
            "partners",
            Action::Allow,
            &["p.example", "*.q.example"],
        )])
    };
    for origin in ["p.example", "a.q.example"] {
        let expected = ["proof for partners", "allowed by partners"];
        assert_eq!(asked(&rules, origin), expected);
    }
    // Another port is another server.
    for origin in ["p.example:1", "q.example", "x.example", "1.2.3.4"] {
        assert_eq!(asked(&rules, origin), ["Forbidden by strangers"; 2]);
    }
}

#[test]
fn the_first_rule_that_fits_decides() {
    let rules = rules(vec![
        rule("friend", Action::Allow, &["good.spam.example"]),
        rule("spam", DENY, &["*.spam.example"]),
    ]);
    let expected = ["proof for friend", "allowed by friend"];
    assert_eq!(asked(&rules, "good.spam.example"), expected);
    assert_eq!(asked(&rules, "bad.spam.example"), ["Forbidden by spam"; 2]);
}

#[test]
fn addresses_have_a_rule_of_their_own_after_those_that_name_them() {
    let rules = OriginRules {
        ip_literals: Permission::Deny,
        ..rules(vec![rule("lab", Action::Allow, &["[2001:db8::1]"])])
    };
    let expected = ["proof for lab", "allowed by lab"];
    assert_eq!(asked(&rules, "[2001:db8:0::1]"), expected);
    assert_eq!(
        asked(&rules, "1.2.3.4:8448"),
        ["Forbidden by ip_literals"; 2]
    );
    assert_eq!(asked(&rules, "a.example"), ["pass"; 2]);
}

#[test]
fn lists_name_servers_as_rules_do() {
    let mut listed = rule("listed", DENY, &[]);
    listed.lists = vec![1];
    let mut rules = rules(vec![listed]);
    rules.lists = ["first", "second"]
        .map(|name| List {
            name: name.into(),
            names: Arc::default(),
        })
        .into();
    assert_eq!(asked(&rules, "x.b.example"), ["pass"; 2]);
    let rules = rules
        .with_list("first", &names(&["a.example"]).into())
        .with_list("second", &names(&["*.b.example"]).into());
    assert_eq!(asked(&rules, "x.b.example"), ["Forbidden by listed"; 2]);
    assert_eq!(asked(&rules, "a.example"), ["pass"; 2]);
}

#[test]
fn rules_are_about_classes_sites_and_listeners() {
    let mut rule = rule("some", DENY, &["*"]);
    rule.classes = vec![Class::FedMedia, Class::FedQuery];
    rule.sites = vec!["example.com".into()];
    rule.listeners = vec!["*:8448".into()];
    let rules = rules(vec![rule]);
    let credentials = claim("a.example");
    let about = question(Caller::new(&credentials, None));
    let is_refused = |question| {
        let ruling = rules.decide(&question);
        matches!(ruling.decision, Decision::Refused(_))
    };
    assert!(is_refused(about));
    assert!(!is_refused(Question {
        class: Class::FedTransaction,
        ..about
    }));
    assert!(!is_refused(Question {
        site: "other.example",
        ..about
    }));
    assert!(!is_refused(Question {
        listener: "*:443",
        ..about
    }));
}

#[test]
fn credentials_that_could_be_anybodys_are_refused_where_anybody_could_be_denied() {
    let decide = |rules: &OriginRules| rules.decide(&question(Caller::Ambiguous));
    let malformed = Decision::Refused(Refused {
        answer: Answer::Malformed,
        rule: AMBIGUOUS.into(),
    });
    let denying = rules(vec![rule("spam", DENY, &["spam.example"])]);
    assert_eq!(decide(&denying).decision, malformed);
    for (strangers, ip_literals) in [
        (Permission::Deny, Permission::Allow),
        (Permission::Allow, Permission::Deny),
    ] {
        let closed = OriginRules {
            strangers,
            ip_literals,
            ..OriginRules::default()
        };
        assert_eq!(decide(&closed).decision, malformed);
    }
    // Nobody could be denied by these, for this request.
    let mut elsewhere = rule("media", DENY, &["*"]);
    elsewhere.classes = vec![Class::FedMedia];
    let open = rules(vec![elsewhere, rule("nice", Action::Allow, &["a.example"])]);
    assert_eq!(decide(&open), Ruling::pass());
    assert_eq!(decide(&OriginRules::default()), Ruling::pass());
    assert_eq!(denying.decide(&question(Caller::Nobody)), Ruling::pass());
}

#[test]
fn a_dry_rule_leaves_the_decision_to_the_others() {
    let mut dry = rule("dry", DENY, &["*"]);
    dry.is_dry = true;
    let rules = rules(vec![dry, rule("spam", DENY, &["spam.example"])]);
    assert_eq!(
        asked(&rules, "spam.example"),
        ["Forbidden by spam, else dry"; 2]
    );
    assert_eq!(asked(&rules, "a.example"), ["pass, else dry"; 2]);
    let ambiguous = OriginRules {
        rules: rules.rules[..1].to_vec(),
        ..OriginRules::default()
    };
    let ruling = ambiguous.decide(&question(Caller::Ambiguous));
    assert_eq!(ruling.decision, Decision::Pass);
    assert_eq!(&*ruling.tried.unwrap().rule, AMBIGUOUS);
}

#[test]
fn without_rules_nobody_needs_to_ask() {
    assert!(OriginRules::default().are_none());
    assert!(!rules(vec![rule("spam", DENY, &["a.example"])]).are_none());
    let closed = OriginRules {
        ip_literals: Permission::Deny,
        ..OriginRules::default()
    };
    assert!(!closed.are_none());
}
