//! Sets of networks, as an operator lists them.

use std::net::IpAddr;

use ipnet::IpNet;

/// A list of networks; an IPv4 address matches in its IPv6-mapped form too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Box<[IpNet]>);

impl Networks {
    /// Whether `address` lies in one of the networks.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

impl FromIterator<IpNet> for Networks {
    fn from_iter<I: IntoIterator<Item = IpNet>>(networks: I) -> Self {
        Self(IpNet::aggregate(&networks.into_iter().collect::<Vec<_>>()).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapped_addresses_match_their_ipv4_network() {
        let networks: Networks = ["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()]
            .into_iter()
            .collect();
        assert!(networks.contains("10.1.2.3".parse().unwrap()));
        assert!(networks.contains("::ffff:10.1.2.3".parse().unwrap()));
        assert!(networks.contains("::1".parse().unwrap()));
        assert!(!networks.contains("11.0.0.1".parse().unwrap()));
    }
}
