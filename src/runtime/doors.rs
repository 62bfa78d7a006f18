//! The open listeners: what the configuration wants of them, by difference from what is there.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::offers::Offers;
use super::workers::Workers;
use crate::config::{self, ListenAddress};
use crate::listen::socket::{Address, Available, BindError, BindNote, Binding, Bound, open};
use crate::listen::{App, Connections, Intake, Limits, Listener};
use crate::telemetry::Telemetry;

/// What all connections of the program share.
pub(super) struct Common {
    pub(super) connections: Arc<Connections>,
    pub(super) telemetry: Arc<Telemetry>,
    /// See [`Intake::closing`].
    pub(super) closing: watch::Sender<bool>,
}

/// What connections of one configuration are served by.
pub(super) struct Terms<'c> {
    pub(super) limits: Arc<Limits>,
    pub(super) offers: &'c Offers,
}

/// The open listeners.
pub(super) struct Doors<A> {
    open: Vec<Door<A>>,
    /// One for each thread.
    apps: Vec<Arc<A>>,
    workers: Workers<A>,
    common: Common,
}

/// One address that is listened on.
struct Door<A> {
    /// As it was configured.
    address: Address,
    listener: Arc<Listener>,
    /// Further handles of the sockets that are served, for whoever is to have them next.
    sockets: Vec<Bound>,
    /// For each thread, what it serves new connections by.
    intakes: Vec<Arc<ArcSwap<Intake<A>>>>,
    shutdown: watch::Sender<bool>,
}

/// What is to become of the listeners; everything that can fail has been done.
pub(super) struct Plan {
    listeners: Vec<(Address, Listener, Source)>,
    /// What is worth a line in the log.
    pub(super) notes: Vec<BindNote>,
}

enum Source {
    /// The open door of this index.
    Open(usize),
    /// New sockets: for each local address at least as many as threads.
    New(Vec<Vec<Bound>>),
}

/// What a new configuration did to the listeners.
#[derive(Debug, Default)]
pub(super) struct Difference {
    pub(super) opened: Vec<String>,
    pub(super) closed: Vec<String>,
}

impl<A: App> Doors<A> {
    /// No door is open yet. Each of `apps` gets a thread with such a name.
    pub(super) fn new(threads: &str, apps: Vec<Arc<A>>, common: Common) -> io::Result<Self> {
        Ok(Self {
            open: Vec::new(),
            workers: Workers::start(threads, apps.len())?,
            apps,
            common,
        })
    }

    /// Opens every address that is not open yet, or says of each what stands in the way. Nobody
    /// is served there before [`commit`](Self::commit).
    pub(super) fn plan(
        &self,
        wanted: Vec<(Address, Listener)>,
        available: &mut Available,
    ) -> Result<Plan, Vec<BindError>> {
        let mut kept: Vec<Option<usize>> = Vec::new();
        for (wanted, _) in &wanted {
            let is_free = |&(index, door): &(usize, &Door<A>)| {
                door.address == *wanted && !kept.contains(&Some(index))
            };
            let found = self.open.iter().enumerate().find(is_free);
            kept.push(found.map(|(index, _)| index));
        }
        let (mut listeners, mut notes, mut errors) = (Vec::new(), Vec::new(), Vec::new());
        for (index, door) in self.open.iter().enumerate() {
            // A new address may need the socket of one that closes: `*:443` and `0.0.0.0:443`.
            if !kept.contains(&Some(index))
                && let Err(source) = available.add(&door.sockets)
            {
                errors.push(BindError::of(&door.listener.name, &door.address, source));
            }
        }
        for ((address, listener), kept) in wanted.into_iter().zip(kept) {
            let source = match kept {
                Some(index) => Ok(Source::Open(index)),
                None => open(&listener.name, &address, available).and_then(|binding| {
                    let sockets = self.spread(&mut notes, binding);
                    let other = |error| BindError::of(&listener.name, &address, error);
                    sockets.map(Source::New).map_err(other)
                }),
            };
            match source {
                Ok(source) => listeners.push((address, listener, source)),
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() {
            Ok(Plan { listeners, notes })
        } else {
            Err(errors)
        }
    }

    /// The sockets by local address, as many of each as there are threads at least.
    fn spread(&self, notes: &mut Vec<BindNote>, binding: Binding) -> io::Result<Vec<Vec<Bound>>> {
        notes.extend(binding.notes);
        let mut by_address = BTreeMap::<String, Vec<Bound>>::new();
        for socket in binding.sockets {
            let same = by_address.entry(socket.local.clone()).or_default();
            same.push(socket);
        }
        let mut all: Vec<_> = by_address.into_values().collect();
        for sockets in &mut all {
            while sockets.len() < self.apps.len()
                && let Some(first) = sockets.first()
            {
                let another = first.share()?;
                sockets.push(another);
            }
        }
        Ok(all)
    }

    /// Makes it so: new connections are served by `terms` from now on, new listeners open, and
    /// those that no longer are wanted close, with what they carry going on to its end.
    pub(super) fn commit(&mut self, plan: Plan, terms: &Terms<'_>) -> Difference {
        let mut before: Vec<Option<Door<A>>> = self.open.drain(..).map(Some).collect();
        let mut difference = Difference::default();
        for (address, listener, source) in plan.listeners {
            let listener = Arc::new(listener);
            let door = match source {
                Source::Open(index) => before.get_mut(index).and_then(Option::take),
                Source::New(sockets) => {
                    difference.opened.push(listener.name.to_string());
                    Some(self.new_door(address, &listener, sockets, terms))
                }
            };
            self.open.extend(door.map(|door| Door { listener, ..door }));
        }
        for door in &self.open {
            for (app, current) in self.apps.iter().zip(&door.intakes) {
                current.store(self.common.intake(app, door, terms));
            }
        }
        for door in before.into_iter().flatten() {
            difference.closed.push(door.listener.name.to_string());
            door.close();
        }
        self.common.connections.limit(&terms.limits);
        difference
    }

    fn new_door(
        &self,
        address: Address,
        listener: &Arc<Listener>,
        sockets: Vec<Vec<Bound>>,
        terms: &Terms<'_>,
    ) -> Door<A> {
        let mut door = Door {
            address,
            listener: listener.clone(),
            sockets: Vec::new(),
            intakes: Vec::new(),
            shutdown: watch::Sender::new(false),
        };
        let intake = |app| ArcSwap::new(self.common.intake(app, &door, terms)).into();
        door.intakes = self.apps.iter().map(intake).collect();
        for sockets in sockets {
            let numbered = sockets.into_iter().zip((0..door.intakes.len()).cycle());
            for (socket, number) in numbered {
                // Without a handle, whoever comes next binds anew.
                door.sockets.extend(socket.try_clone());
                let intake = door.intakes.get(number).cloned();
                self.workers.add(number, intake.map(|it| (socket, it)));
            }
        }
        door
    }

    /// Closes every listener. Idle connections wait for one more request until
    /// [`Common::closing`] says otherwise.
    pub(super) fn close(&mut self) {
        for door in self.open.drain(..) {
            door.close();
        }
    }

    /// Ends when every thread has said that it is at work.
    pub(super) async fn answer(&self) {
        self.workers.answer().await;
    }

    /// Waits until nothing is accepted any more.
    pub(super) async fn closed(&mut self) {
        self.workers.accepted().await;
    }

    /// Ends the threads, and whatever they still do. Blocks.
    pub(super) fn end(self) {
        self.workers.end();
    }

    /// The sockets of all listeners.
    pub(super) fn sockets(&self) -> impl Iterator<Item = &Bound> {
        self.open.iter().flat_map(|door| &door.sockets)
    }

    /// Each listener with the addresses that it really has, in the order of the configuration.
    pub(super) fn listeners(&self) -> impl Iterator<Item = (&Arc<Listener>, Vec<&str>)> {
        self.open.iter().map(|door| {
            let mut local: Vec<&str> = door.sockets.iter().map(|s| s.local.as_str()).collect();
            local.dedup();
            (&door.listener, local)
        })
    }

    /// The name and address of each TCP socket, in the order of the configuration.
    pub(super) fn addresses(&self) -> Vec<(Arc<str>, SocketAddr)> {
        let of = |door: &Door<A>| {
            let name = door.listener.name.clone();
            let mut addresses: Vec<_> = door
                .sockets
                .iter()
                .filter_map(Bound::socket_address)
                .collect();
            addresses.dedup();
            addresses.into_iter().map(move |a| (name.clone(), a))
        };
        self.open.iter().flat_map(of).collect()
    }

    /// What all connections share.
    pub(super) fn common(&self) -> &Common {
        &self.common
    }
}

impl<A> Door<A> {
    fn close(self) {
        self.shutdown.send_replace(true);
    }
}

impl Common {
    fn intake<A>(&self, app: &Arc<A>, door: &Door<A>, terms: &Terms<'_>) -> Arc<Intake<A>> {
        Arc::new(Intake {
            app: app.clone(),
            listener: door.listener.clone(),
            tls: terms.offers.of(&door.listener),
            limits: terms.limits.clone(),
            connections: self.connections.clone(),
            telemetry: self.telemetry.clone(),
            shutdown: door.shutdown.subscribe(),
            closing: self.closing.subscribe(),
        })
    }
}

/// Each address of the listeners, with what its connections are told of it.
pub(super) fn wanted(listeners: &[config::Listener]) -> Vec<(Address, Listener)> {
    listeners.iter().flat_map(of_one).collect()
}

fn of_one(written: &config::Listener) -> impl Iterator<Item = (Address, Listener)> {
    written.address.iter().map(|at| {
        let listener = Listener {
            name: at.to_string().into(),
            profile: written.profile,
            tls: written.tls,
            proxy_protocol: written.proxy_protocol.iter().map(|n| n.net()).collect(),
        };
        (address(at), listener)
    })
}

/// An address as written.
pub(super) fn address(written: &ListenAddress) -> Address {
    match written {
        ListenAddress::Any { port } => Address::AnyInterface(*port),
        ListenAddress::Ip(address) => Address::Tcp(*address),
        ListenAddress::Unix(path) => Address::Unix(path.clone()),
    }
}
