//! What lookups one client address may cause.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quick_cache::sync::Cache;

use super::Settings;

/// Networks that are remembered; one more displaces one of them.
const MOST_NETWORKS: usize = 16 << 10;
/// Of the lookups that may be under way, one network has at most an eighth.
const SHARE: usize = 8;

/// The budgets of all networks.
pub(super) struct Budgets(Cache<IpAddr, Arc<Mutex<Budget>>>);

/// What one network has used.
#[derive(Debug, Default)]
struct Budget {
    /// When it has its whole burst again, in milliseconds since 1970.
    whole_at: u64,
    /// Lookups under way.
    under_way: usize,
}

/// The place of a lookup that is under way.
#[derive(Debug)]
pub(super) struct Spent(Arc<Mutex<Budget>>);

impl Budgets {
    pub(super) fn new() -> Self {
        Self(Cache::new(MOST_NETWORKS))
    }

    /// Takes one lookup for `client` out of its budget; `None` where that is used up.
    pub(super) fn spend(&self, client: IpAddr, settings: &Settings, now: u64) -> Option<Spent> {
        let Ok(budget) = self
            .0
            .get_or_insert_with(&network(client), || Ok::<_, Infallible>(Arc::default()));
        let is_spent = locked(&budget).spend(settings, now);
        is_spent.then_some(Spent(budget))
    }
}

impl Budget {
    fn spend(&mut self, settings: &Settings, now: u64) -> bool {
        let each = 60_000 / u64::from(settings.per_minute.max(1));
        let burst = each.saturating_mul(settings.burst.into());
        // A clock that was set back leaves nobody without for longer.
        self.whole_at = self.whole_at.clamp(now, now.saturating_add(burst));
        let whole_at = self.whole_at.saturating_add(each);
        if whole_at - now > burst || self.under_way >= (settings.lookups / SHARE).max(1) {
            return false;
        }
        self.whole_at = whole_at;
        self.under_way += 1;
        true
    }
}

impl Drop for Spent {
    fn drop(&mut self) {
        let mut budget = locked(&self.0);
        budget.under_way = budget.under_way.saturating_sub(1);
    }
}

fn locked(budget: &Mutex<Budget>) -> MutexGuard<'_, Budget> {
    budget.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What shares one budget: an IPv4 address, or an IPv6 /64, which is what one client is given.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::keys::PinnedKeys;

    const NOW: u64 = 1_800_000_000_000;

    fn settings() -> Settings {
        Settings {
            most_keys: 100,
            lookups: 32,
            per_minute: 20,
            burst: 3,
            wait: Duration::from_secs(1),
            pinned: PinnedKeys::default(),
        }
    }

    /// How many of ten lookups one after the other there is a budget for.
    fn granted(budgets: &Budgets, client: &str, now: u64) -> usize {
        let client = client.parse().unwrap();
        let spend = |_: &usize| budgets.spend(client, &settings(), now).is_some();
        (0..10).filter(spend).count()
    }

    #[test]
    fn a_network_has_a_burst_and_a_rate() {
        let budgets = Budgets::new();
        assert_eq!(granted(&budgets, "192.0.2.1", NOW), 3);
        assert_eq!(granted(&budgets, "192.0.2.1", NOW + 2_999), 0);
        assert_eq!(granted(&budgets, "192.0.2.1", NOW + 3_000), 1);
        assert_eq!(granted(&budgets, "192.0.2.1", NOW + 60_000), 3);
        // The clock was set back by a day.
        assert_eq!(granted(&budgets, "192.0.2.1", NOW - 86_400_000), 0);
        assert_eq!(granted(&budgets, "192.0.2.1", NOW - 86_390_000), 3);
    }

    #[test]
    fn addresses_of_one_network_share_and_others_do_not() {
        let budgets = Budgets::new();
        for (client, expected) in [
            ("192.0.2.1", 3),
            ("192.0.2.2", 3),
            ("::ffff:192.0.2.2", 0),
            ("2001:db8::1", 3),
            ("2001:db8::ffff:1", 0),
            ("2001:db8:0:1::1", 3),
        ] {
            assert_eq!(granted(&budgets, client, NOW), expected, "{client}");
        }
    }

    #[test]
    fn one_network_has_a_share_of_what_is_under_way() {
        let budgets = Budgets::new();
        let settings = Settings {
            lookups: 16,
            ..settings()
        };
        let client = "192.0.2.1".parse().unwrap();
        let first = budgets.spend(client, &settings, NOW);
        let second = budgets.spend(client, &settings, NOW);
        assert!(first.is_some() && second.is_some());
        assert!(budgets.spend(client, &settings, NOW).is_none());
        drop(first);
        assert!(budgets.spend(client, &settings, NOW).is_some());
    }
}
