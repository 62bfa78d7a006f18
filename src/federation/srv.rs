//! The order of SRV records (RFC 2782).

use super::report::SrvRecord;

/// Sorts by priority; among those of one priority the heaviest come first, where a sender would
/// draw lots: a report that changes from run to run cannot be compared.
pub(super) fn order(records: &mut [SrvRecord]) {
    records.sort_by(|left, right| {
        let key = |record: &SrvRecord| (record.priority, std::cmp::Reverse(record.weight));
        key(left)
            .cmp(&key(right))
            .then_with(|| left.target.cmp(&right.target))
            .then_with(|| left.port.cmp(&right.port))
    });
}

/// Whether the records say that the service is not offered (RFC 2782, "Target").
pub(super) fn is_refusal(records: &[SrvRecord]) -> bool {
    matches!(records, [only] if only.target == ".")
}

/// Whether two sets lead to the same places.
pub(super) fn lead_to_the_same(left: &[SrvRecord], right: &[SrvRecord]) -> bool {
    let places = |records: &[SrvRecord]| {
        let mut places: Vec<_> = records
            .iter()
            .map(|record| (record.target.clone(), record.port))
            .collect();
        places.sort();
        places
    };
    places(left) == places(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(priority: u16, weight: u16, target: &str) -> SrvRecord {
        SrvRecord {
            priority,
            weight,
            port: 8448,
            target: target.to_owned(),
        }
    }

    #[test]
    fn the_lowest_priority_and_the_heaviest_weight_come_first() {
        let mut records = [record(20, 9, "c"), record(10, 1, "b"), record(10, 5, "a")];
        order(&mut records);
        assert_eq!(records.map(|record| record.target), ["a", "b", "c"]);
    }

    #[test]
    fn a_dot_is_a_refusal() {
        assert!(is_refusal(&[record(0, 0, ".")]));
        assert!(!is_refusal(&[]) && !is_refusal(&[record(0, 0, "a")]));
    }

    #[test]
    fn the_order_does_not_make_a_difference() {
        let (a, b) = (record(1, 1, "a"), record(2, 2, "b"));
        assert!(lead_to_the_same(
            &[a.clone(), b.clone()],
            &[b.clone(), a.clone()]
        ));
        assert!(!lead_to_the_same(&[a], &[b]));
    }
}
