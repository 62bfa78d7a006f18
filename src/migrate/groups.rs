//! Who answers which group of endpoints: every endpoint is led through the rules.

use std::collections::{BTreeMap, BTreeSet};

use super::front::{Action, Target, VirtualHost};
use super::ledger::Ledger;
use super::sample::{Sample, samples};
use crate::matrix::endpoint::Api;
use crate::matrix::worker::Group;

/// Where a sample arrives.
pub(super) struct Arrival<'f> {
    pub(super) sample: Sample,
    pub(super) host: &'f VirtualHost,
    /// The directives of the rule, and of what it does.
    pub(super) rule: (usize, usize),
    /// Whether the rule is about Matrix, and not for everything.
    is_explicit: bool,
    pub(super) target: &'f Target,
}

/// A homeserver behind the rules.
pub(super) struct Homeserver<'f> {
    /// The address of the main process.
    pub(super) main: String,
    /// The authentication service, where it answers login, logout and refresh.
    pub(super) mas: Option<String>,
    /// Who answers a group that the main process does not answer.
    pub(super) groups: BTreeMap<Group, &'f Target>,
    pub(super) arrivals: Vec<Arrival<'f>>,
}

/// Leads every endpoint through the rules of every host.
fn arrivals(hosts: &[VirtualHost]) -> Vec<Arrival<'_>> {
    let samples = samples();
    let of_host = |host| {
        samples
            .iter()
            .filter_map(move |sample| arrival(host, sample))
    };
    hosts.iter().flat_map(of_host).collect()
}

fn arrival<'f>(host: &'f VirtualHost, sample: &Sample) -> Option<Arrival<'f>> {
    let rule = host.rule(&sample.path)?;
    let Action::Pass { to, .. } = &rule.action else {
        return None;
    };
    Some(Arrival {
        host,
        rule: (rule.directive, rule.acting),
        is_explicit: rule.paths.names("_matrix") || rule.paths.names("_synapse"),
        target: to.of(sample.arguments),
        sample: sample.clone(),
    })
}

impl<'f> Homeserver<'f> {
    /// Finds the one that most of the endpoints lead to that no worker answers.
    pub(super) fn find(hosts: &'f [VirtualHost], ledger: &mut Ledger) -> Option<Self> {
        let mut arrivals = arrivals(hosts);
        let of_main = |arrival: &&Arrival<'_>| {
            arrival.sample.group == Group::Main && !arrival.sample.is_mas_compat
        };
        let client = |arrival: &&Arrival<'_>| arrival.sample.api == Api::Client;
        let explicit = |arrival: &&Arrival<'_>| arrival.is_explicit;
        let main = most(
            arrivals
                .iter()
                .filter(explicit)
                .filter(of_main)
                .filter(client),
        )
        .or_else(|| most(arrivals.iter().filter(explicit).filter(of_main)))
        .or_else(|| most(arrivals.iter().filter(of_main)))
        .or_else(|| most(arrivals.iter()))?;
        // Another program's host takes these paths with all others.
        arrivals
            .retain(|arrival| arrival.is_explicit || arrival.target.addresses == main.addresses);
        let address = main.addresses.first()?.clone();
        if main.addresses.len() > 1 {
            let message =
                format!("the main process is one; of several addresses {address} was taken");
            ledger.warn(
                None,
                message,
                "write the right one as `homeserver`, and workers in [[workers]]",
            );
        }
        let mas = authentication_service(&arrivals, main);
        let mut groups = BTreeMap::new();
        for group in Group::ALL.iter().filter(|group| **group != Group::Main) {
            if let Some(target) = winner(*group, &arrivals, main, mas.as_ref(), ledger) {
                groups.insert(*group, target);
            }
        }
        Some(Self {
            main: address,
            mas,
            groups,
            arrivals,
        })
    }

    /// Says of every rule that endpoints came by where they go now.
    pub(super) fn settle(&self, ledger: &mut Ledger) {
        let mut rules: BTreeMap<(usize, usize), BTreeSet<String>> = BTreeMap::new();
        let mut lost: BTreeMap<(usize, usize), BTreeSet<&'static str>> = BTreeMap::new();
        for arrival in &self.arrivals {
            let to = self.place(arrival);
            match to {
                Some(to) => {
                    rules.entry(arrival.rule).or_default().insert(to);
                }
                None => {
                    lost.entry(arrival.rule)
                        .or_default()
                        .insert(arrival.sample.template);
                }
            }
        }
        for ((rule, acting), places) in &rules {
            let places: Vec<&str> = places.iter().map(String::as_str).collect();
            let places = places.join(", ");
            ledger.carried(*rule, places.clone());
            ledger.carried(*acting, places);
        }
        for ((rule, acting), templates) in &lost {
            let shown: Vec<&str> = templates.iter().copied().take(2).collect();
            let message = format!(
                "{} endpoints go to the main process or to the other workers of their group now: {}, ...",
                templates.len(),
                shown.join(", ")
            );
            let help =
                "docs/WORKERS.md has the group of each; write [[workers]] for another choice";
            if rules.contains_key(&(*rule, *acting)) {
                ledger.warn(Some(*rule), message, help);
            } else {
                ledger.left(*rule, message.clone(), help);
                ledger.left(*acting, message, help);
            }
        }
        self.warn_of_stand_ins(ledger);
    }

    /// Where the request goes in our configuration, if that is where it went.
    fn place(&self, arrival: &Arrival<'_>) -> Option<String> {
        let sample = &arrival.sample;
        let is_main = arrival.target.addresses.contains(&self.main);
        if sample.is_mas_compat
            && let Some(mas) = &self.mas
        {
            return arrival
                .target
                .addresses
                .contains(mas)
                .then(|| "mas".to_owned());
        }
        match self.groups.get(&sample.group) {
            Some(target) => {
                (*target == arrival.target).then(|| format!("[[workers]] {}", sample.group))
            }
            None => is_main.then(|| "homeserver".to_owned()),
        }
    }

    /// Groups that the main process answered, and stand-ins among the workers do now.
    fn warn_of_stand_ins(&self, ledger: &mut Ledger) {
        let is_taken = |group: &Group| self.groups.contains_key(group);
        for group in Group::ALL {
            if is_taken(group) || *group == Group::Main {
                continue;
            }
            let was_main = self.arrivals.iter().any(|arrival| {
                arrival.sample.group == *group && arrival.target.addresses.contains(&self.main)
            });
            if let Some(stand_in) = group.stand_ins().iter().find(|group| is_taken(group))
                && was_main
            {
                let message = format!(
                    "{group} was answered by the main process, and is by the workers of {stand_in} now"
                );
                ledger.warn(None, message, "nothing: Synapse answers it there too");
            }
        }
    }
}

/// Where most of them arrive.
fn most<'a, 'f: 'a>(arrivals: impl Iterator<Item = &'a Arrival<'f>>) -> Option<&'f Target> {
    let mut votes: BTreeMap<&Target, usize> = BTreeMap::new();
    for arrival in arrivals {
        let count = votes.entry(arrival.target).or_default();
        *count = count.saturating_add(1);
    }
    let most = votes.into_iter().max_by_key(|(_, count)| *count);
    most.map(|(target, _)| target)
}

/// Who gets login, logout and refresh, where that is another than the main process and workers.
fn authentication_service(arrivals: &[Arrival<'_>], main: &Target) -> Option<String> {
    let compat = arrivals
        .iter()
        .filter(|arrival| arrival.sample.is_mas_compat);
    let of_main = compat.filter(|arrival| arrival.sample.group == Group::Main);
    // No worker answers these, so who does is another program.
    let target = most(of_main).filter(|target| target.addresses != main.addresses)?;
    target.addresses.first().cloned()
}

/// Who answers what belongs to the group: at least half of it, or a quarter where any worker could.
fn winner<'f>(
    group: Group,
    arrivals: &[Arrival<'f>],
    main: &Target,
    mas: Option<&String>,
    ledger: &mut Ledger,
) -> Option<&'f Target> {
    let of_group = |arrival: &&Arrival<'_>| {
        arrival.sample.group == group && !(mas.is_some() && arrival.sample.is_mas_compat)
    };
    let all = arrivals.iter().filter(of_group).count();
    let elsewhere = |arrival: &&Arrival<'_>| {
        arrival.target.addresses != main.addresses
            && !mas.is_some_and(|mas| arrival.target.addresses.contains(mas))
    };
    let others = || arrivals.iter().filter(of_group).filter(elsewhere);
    let target = most(others())?;
    let votes = others().filter(|arrival| arrival.target == target).count();
    let enough = if group.is_served_by_main() { 4 } else { 2 };
    if votes.saturating_mul(enough) < all {
        let name = if target.name.is_empty() {
            target.addresses.join(", ")
        } else {
            target.name.clone()
        };
        let message = format!(
            "{name} answered {votes} of {all} endpoints of {group}, which stay at the main process"
        );
        let help = format!("add \"{group}\" to the groups of a worker");
        ledger.warn(None, message, help);
        return None;
    }
    Some(target)
}
