//! The rules of server discovery, as functions over what was learnt.

use crate::federation::report::SrvRecord;
use crate::federation::srv;
use crate::matrix::ServerName;

/// How the hosts are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::federation) enum Way {
    /// The name says it all: host, port, and the step of the specification.
    Fixed(String, u16, &'static str),
    /// SRV records say it, or nobody does.
    Services,
}

/// What follows from a server name and its delegation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::federation) struct Plan {
    pub(in crate::federation) way: Way,
    /// What senders write into `Host`.
    pub(in crate::federation) host_header: String,
    /// The name that the certificate must be for.
    pub(in crate::federation) tls_name: String,
    is_delegated: bool,
}

/// What follows from `name`, and from what `.well-known` says about it.
pub(in crate::federation) fn plan(name: &ServerName, delegated: Option<&ServerName>) -> Plan {
    let subject = delegated.unwrap_or(name);
    let is_delegated = delegated.is_some();
    let host = subject.host().to_owned();
    let way = match (subject.ip(), subject.port()) {
        (Some(_), port) => {
            let step = if is_delegated { "3.1" } else { "1" };
            Way::Fixed(host.clone(), port.unwrap_or(8448), step)
        }
        (None, Some(port)) => {
            let step = if is_delegated { "3.2" } else { "2" };
            Way::Fixed(host.clone(), port, step)
        }
        (None, None) => Way::Services,
    };
    Plan {
        way,
        host_header: subject.to_string(),
        tls_name: host,
        is_delegated,
    }
}

/// The hosts and ports, in the order in which they are tried, and the step that found them.
pub(in crate::federation) fn places(
    plan: &Plan,
    fed: &[SrvRecord],
    old: &[SrvRecord],
) -> (Vec<(String, u16)>, &'static str) {
    if let Way::Fixed(host, port, step) = &plan.way {
        return (vec![(host.clone(), *port)], step);
    }
    let (records, step) = match (fed.is_empty(), old.is_empty(), plan.is_delegated) {
        (false, _, true) => (fed, "3.3"),
        (true, false, true) => (old, "3.4"),
        (false, _, false) => (fed, "4"),
        (true, false, false) => (old, "5"),
        (true, true, true) => return (vec![(plan.tls_name.clone(), 8448)], "3.5"),
        (true, true, false) => return (vec![(plan.tls_name.clone(), 8448)], "6"),
    };
    if srv::is_refusal(records) {
        return (Vec::new(), step);
    }
    let places = records
        .iter()
        .map(|record| (record.target.clone(), record.port));
    (places.collect(), step)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(target: &str, port: u16) -> SrvRecord {
        SrvRecord {
            priority: 10,
            weight: 5,
            port,
            target: target.to_owned(),
        }
    }

    /// The shapes of the vectors of resolvematrix.dev, one for each step of the specification:
    /// server name, m.server, which SRV records there are; step, place, Host, name of the
    /// certificate.
    const VECTORS: &str = "
        1.2.3.4      -           -        1    1.2.3.4:8448   1.2.3.4     1.2.3.4
        1.2.3.4:81   -           -        1    1.2.3.4:81     1.2.3.4:81  1.2.3.4
        [::1]        -           -        1    [::1]:8448     [::1]       [::1]
        [::1]:81     -           -        1    [::1]:81       [::1]:81    [::1]
        2.test:82    -           fed+old  2    2.test:82      2.test:82   2.test
        3b.test      1.2.3.4     -        3.1  1.2.3.4:8448   1.2.3.4     1.2.3.4
        3b.test      1.2.3.4:83  -        3.1  1.2.3.4:83     1.2.3.4:83  1.2.3.4
        3c.test      [::1]:83    -        3.1  [::1]:83       [::1]:83    [::1]
        3c.test      d.test:84   fed+old  3.2  d.test:84      d.test:84   d.test
        3c.test      d.test      fed      3.3  fed.test:448   d.test      d.test
        3c.test      d.test      fed+old  3.3  fed.test:448   d.test      d.test
        3d.test      d.test      old      3.4  old.test:449   d.test      d.test
        3e.test      d.test      -        3.5  d.test:8448    d.test      d.test
        4.test       -           fed      4    fed.test:448   4.test      4.test
        4.test       -           fed+old  4    fed.test:448   4.test      4.test
        5.test       -           old      5    old.test:449   5.test      5.test
        6.test       -           -        6    6.test:8448    6.test      6.test";

    #[test]
    fn every_step_of_the_specification() {
        let vectors = VECTORS.lines().filter(|line| !line.trim().is_empty());
        for vector in vectors {
            let words: Vec<&str> = vector.split_whitespace().collect();
            let [name, delegated, srv, step, place, host, tls] = words[..] else {
                panic!("{vector}");
            };
            let delegated = (delegated != "-").then(|| delegated.parse().unwrap());
            let records = |kind: &str, host: &str, port| {
                let has = srv.contains(kind);
                has.then(|| record(host, port))
                    .into_iter()
                    .collect::<Vec<_>>()
            };
            let (fed, old) = (
                records("fed", "fed.test", 448),
                records("old", "old.test", 449),
            );
            let plan = plan(&name.parse().unwrap(), delegated.as_ref());
            let (places, found) = places(&plan, &fed, &old);
            let places: Vec<_> = places
                .iter()
                .map(|(host, port)| format!("{host}:{port}"))
                .collect();
            assert_eq!((found, places), (step, vec![place.to_owned()]), "{vector}");
            assert_eq!(
                (&*plan.host_header, &*plan.tls_name),
                (host, tls),
                "{vector}"
            );
        }
    }

    #[test]
    fn a_refused_service_leads_nowhere() {
        let plan = plan(&"a.test".parse().unwrap(), None);
        assert_eq!(places(&plan, &[record(".", 0)], &[]), (Vec::new(), "4"));
    }
}
