use std::sync::Mutex;
use std::time::SystemTime;

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::op::{Message, OpCode};
use hickory_resolver::proto::rr::Record;
use tokio::net::UdpSocket;

use super::*;
use crate::telemetry::Settings;

/// A DNS server on loopback.
struct Dns {
    address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
}

#[derive(Default)]
struct Zone {
    records: Vec<(Name, u32, RData)>,
    is_broken: bool,
    questions: usize,
}

impl Dns {
    async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let zone = Arc::new(Mutex::new(Zone::default()));
        let served = zone.clone();
        tokio::spawn(async move {
            let mut buffer = [0; 512];
            while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
                let answer = served.lock().unwrap().answer(&buffer[..length]);
                socket.send_to(&answer, peer).await.unwrap();
            }
        });
        Self { address, zone }
    }

    /// What the zone holds from now on.
    fn set(&self, records: &[(&str, u32, RData)]) {
        let mut zone = self.zone.lock().unwrap();
        zone.is_broken = false;
        let records = records.iter().cloned();
        zone.records = records
            .map(|(name, ttl, data)| (name.parse().unwrap(), ttl, data))
            .collect();
    }

    fn break_down(&self) {
        self.zone.lock().unwrap().is_broken = true;
    }

    fn questions(&self) -> usize {
        self.zone.lock().unwrap().questions
    }

    fn resolver(&self) -> Resolver {
        let mut connection = ConnectionConfig::udp();
        connection.port = self.address.port();
        let server = NameServerConfig::new(self.address.ip(), true, vec![connection]);
        let config = ResolverConfig::from_name_servers(vec![server]);
        let provider = TokioRuntimeProvider::default();
        let mut builder = Resolver::builder_with_config(config, provider);
        let options = builder.options_mut();
        options.cache_size = 0;
        options.attempts = 1;
        options.use_hosts_file = ResolveHosts::Never;
        builder.build().unwrap()
    }

    /// Watches `generic.example.`.
    fn discover(&self, records: Records) -> (Arc<Discovery>, Seen) {
        let settings = Settings {
            started: SystemTime::now(),
            access_log: None,
        };
        let discovery = Arc::new(Discovery::new(
            self.resolver(),
            Discovered {
                worker: "generic".into(),
                host: "generic.example.".into(),
                records,
            },
            &[],
            Arc::new(Telemetry::start(settings).unwrap()),
        ));
        let seen = Seen(discovery.members());
        let watched = discovery.clone();
        tokio::spawn(async move { watched.watch().await });
        (discovery, seen)
    }
}

impl Zone {
    fn answer(&mut self, question: &[u8]) -> Vec<u8> {
        self.questions += 1;
        let question = Message::from_vec(question).unwrap();
        let query = question.queries[0].clone();
        let mut answer = Message::response(question.metadata.id, OpCode::Query);
        answer.add_query(query.clone());
        let of_name = self
            .records
            .iter()
            .filter(|(name, _, _)| *name == query.name);
        answer.metadata.response_code = match of_name.clone().count() {
            _ if self.is_broken => ResponseCode::ServFail,
            0 => ResponseCode::NXDomain,
            _ => ResponseCode::NoError,
        };
        if !self.is_broken {
            let asked = of_name.filter(|(_, _, data)| data.record_type() == query.query_type);
            let records = asked.cloned();
            let records = records.map(|(name, ttl, data)| Record::from_rdata(name, ttl, data));
            answer.add_answers(records.collect::<Vec<_>>());
        }
        answer.to_vec().unwrap()
    }
}

/// The members that a discovery publishes.
struct Seen(watch::Receiver<Arc<[Member]>>);

impl Seen {
    /// Waits for the next set, as `name=address` in order.
    async fn next(&mut self) -> String {
        let changed = tokio::time::timeout(Duration::from_secs(10), self.0.changed());
        changed.await.unwrap().unwrap();
        self.now()
    }

    fn now(&mut self) -> String {
        let members = self.0.borrow_and_update();
        let text = members.iter().map(|m| format!("{}={}", m.name, m.address));
        text.collect::<Vec<_>>().join(" ")
    }
}

fn address(text: &str) -> RData {
    text.parse::<IpAddr>().unwrap().into()
}

fn srv(priority: u16, port: u16, target: &str) -> RData {
    RData::SRV(SRV::new(priority, 0, port, target.parse().unwrap()))
}

const NAME: &str = "generic.example.";
const ADDRESSES: Records = Records::Addresses { port: 8081 };

#[tokio::test]
async fn each_address_is_a_member_and_comes_and_goes_with_its_record() {
    let dns = Dns::start().await;
    dns.set(&[
        (NAME, 1, address("192.0.2.2")),
        (NAME, 1, address("192.0.2.1")),
        (NAME, 1, address("2001:db8::1")),
    ]);
    let (discovery, mut seen) = dns.discover(ADDRESSES);
    assert_eq!(
        seen.next().await,
        "generic/192.0.2.1=192.0.2.1:8081 generic/192.0.2.2=192.0.2.2:8081"
    );
    dns.set(&[(NAME, 1, address("2001:db8::1"))]);
    assert_eq!(seen.next().await, "generic/2001:db8::1=[2001:db8::1]:8081");
    dns.set(&[]);
    assert_eq!(seen.next().await, "");
    let metrics = discovery.telemetry.render_metrics();
    for line in [
        "vestibule_discovered_members{worker=\"generic\"} 0",
        "vestibule_discovery_lookups_total{result=\"changed\",worker=\"generic\"} 3",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
}

#[tokio::test]
async fn each_srv_target_is_a_member_by_its_name() {
    let dns = Dns::start().await;
    dns.set(&[
        (NAME, 1, srv(1, 8082, "B.example.")),
        (NAME, 1, srv(1, 8081, "a.example.")),
        (NAME, 1, srv(1, 8081, "gone.example.")),
        (NAME, 1, srv(2, 8081, "spare.example.")),
        ("a.example.", 300, address("192.0.2.1")),
        ("b.example.", 300, address("2001:db8::2")),
        ("b.example.", 300, address("2001:db8::1")),
        ("spare.example.", 300, address("192.0.2.3")),
    ]);
    let (_, mut seen) = dns.discover(Records::Srv);
    assert_eq!(
        seen.next().await,
        "a.example:8081=192.0.2.1:8081 b.example:8082=[2001:db8::1]:8082"
    );
    // The name stays when the process moves.
    dns.set(&[
        (NAME, 1, srv(1, 8081, "a.example.")),
        ("a.example.", 1, address("192.0.2.9")),
    ]);
    assert_eq!(seen.next().await, "a.example:8081=192.0.2.9:8081");
    dns.set(&[(NAME, 1, srv(0, 0, "."))]);
    assert_eq!(seen.next().await, "");
}

#[tokio::test]
async fn who_was_found_stays_while_dns_is_down() {
    let dns = Dns::start().await;
    dns.set(&[(NAME, 1, address("192.0.2.1"))]);
    let (discovery, mut seen) = dns.discover(ADDRESSES);
    let first = seen.next().await;
    dns.break_down();
    let failed = "vestibule_discovery_lookups_total{result=\"failed\",worker=\"generic\"} 1";
    let has_failed = async {
        while !discovery.telemetry.render_metrics().contains(failed) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), has_failed)
        .await
        .unwrap();
    assert_eq!(seen.now(), first);
    dns.set(&[(NAME, 1, address("192.0.2.2"))]);
    discovery.look_again();
    assert_eq!(seen.next().await, "generic/192.0.2.2=192.0.2.2:8081");
}

#[tokio::test]
async fn records_that_live_long_are_looked_up_again_when_somebody_hurries() {
    let dns = Dns::start().await;
    dns.set(&[(NAME, 3600, address("192.0.2.1"))]);
    let (discovery, mut seen) = dns.discover(ADDRESSES);
    let began = Instant::now();
    seen.next().await;
    dns.set(&[(NAME, 3600, address("192.0.2.2"))]);
    for _ in 0..100 {
        discovery.look_again();
    }
    assert_eq!(seen.next().await, "generic/192.0.2.2=192.0.2.2:8081");
    // Not at once, however many hurry.
    assert!(began.elapsed() >= SHORTEST_PAUSE);
    assert_eq!(dns.questions(), 2);
}

#[tokio::test]
async fn a_pause_is_neither_too_short_nor_too_long() {
    let dns = Dns::start().await;
    let (discovery, _) = dns.discover(ADDRESSES);
    for (ttl, least, most) in [(0, 1, 1), (60, 58, 60), (86_400, 300, 300)] {
        dns.set(&[(NAME, ttl, address("192.0.2.1"))]);
        let pause = discovery.look_up().await.unwrap().pause.as_secs_f64();
        let range = f64::from(least)..=f64::from(most);
        assert!(range.contains(&pause), "{ttl}: {pause}");
    }
    dns.set(&[]);
    let pause = discovery.look_up().await.unwrap().pause;
    assert!(pause <= LONGEST_ABSENCE);
}
