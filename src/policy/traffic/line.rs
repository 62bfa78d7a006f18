//! Those who want to use something that not all can use at a time: first come, first served of
//! one sender, and turn by turn between senders.
//!
//! A sender is known here only while it has a request that is active or waits, so that any number
//! of them take no more room than their requests.

use std::collections::hash_map::Entry as Known;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

/// Requests with the same content that one sender may have active at a time.
const MOST_JOINED: usize = 4;
/// One network has at most this part of the places to wait.
const PARTS_OF_QUEUE: u32 = 4;

/// Who sends, as a number that only we can make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sender(pub u64);

/// Where from, as a number: what one client is given of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Network(pub u64);

/// A place in the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(u64);

/// A request that asks for its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asking {
    /// Who sends it.
    pub sender: Sender,
    /// Where from.
    pub network: Network,
    /// What two requests have in common of which the homeserver does one only: a transaction that
    /// is sent again while the first is under way does not wait behind itself.
    pub same: Option<u64>,
}

/// How much room there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Active requests of one sender.
    pub each: u32,
    /// Active requests of all.
    pub all: u32,
    /// Requests that wait.
    pub waiting: u32,
}

/// What a request is told that asks for its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// It is active now.
    Go,
    /// It waits.
    Wait(Ticket),
    /// It cannot even wait.
    Full,
}

/// The requests that are active, and those that wait.
#[derive(Debug, Default)]
pub struct Line {
    active: u32,
    waiting: u32,
    senders: HashMap<Sender, OfSender, BuildHasherDefault<AsItIs>>,
    networks: HashMap<Network, u32>,
    /// Senders whose next request goes as soon as there is room in all, in their order.
    ready: VecDeque<Sender>,
    /// Those that go with one that has just gone.
    joining: VecDeque<Ticket>,
    tickets: u64,
}

/// A [`Sender`] is a hash already.
#[derive(Clone, Copy, Debug, Default)]
struct AsItIs(u64);

#[derive(Debug, Default)]
struct OfSender {
    active: u32,
    /// What is the same of its active requests, where anything can be.
    same: Vec<u64>,
    waiting: VecDeque<Waiting>,
    /// Whether it is among those that are ready.
    is_ready: bool,
}

#[derive(Debug)]
struct Waiting {
    ticket: Ticket,
    network: Network,
    same: Option<u64>,
}

impl Line {
    /// Asks for a turn.
    pub fn enter(&mut self, asking: Asking, room: Room) -> Entry {
        let of_sender = self.senders.entry(asking.sender).or_default();
        let has_room = of_sender.waiting.is_empty() && of_sender.active < room.each;
        if (has_room && self.active < room.all) || of_sender.joins(asking.same) {
            of_sender.begin(asking.same);
            self.active += 1;
            return Entry::Go;
        }
        let of_network = self.networks.get(&asking.network).copied().unwrap_or(0);
        if self.waiting >= room.waiting || of_network >= (room.waiting / PARTS_OF_QUEUE).max(1) {
            self.forget_if_idle(asking.sender);
            return Entry::Full;
        }
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        of_sender.queue(Waiting {
            ticket,
            network: asking.network,
            same: asking.same,
        });
        self.waiting += 1;
        *self.networks.entry(asking.network).or_default() += 1;
        self.make_ready(asking.sender, room);
        Entry::Wait(ticket)
    }

    /// An active request has come to its end. `counts_in_all` is false where
    /// [`stop_counting`](Self::stop_counting) came before.
    pub fn end(&mut self, asking: Asking, counts_in_all: bool, room: Room) {
        if counts_in_all {
            self.active = self.active.saturating_sub(1);
        }
        let Known::Occupied(mut known) = self.senders.entry(asking.sender) else {
            return;
        };
        let of_sender = known.get_mut();
        of_sender.end(asking.same);
        if of_sender.is_idle() {
            known.remove();
        } else if of_sender.becomes_ready(room.each) {
            self.ready.push_back(asking.sender);
        }
    }

    /// An active request is no longer one of all, only one of its sender's.
    pub fn stop_counting(&mut self) {
        self.active = self.active.saturating_sub(1);
    }

    /// The next that goes, which is active from now on. To be asked until there is none, whenever
    /// there may be room.
    pub fn next(&mut self, room: Room) -> Option<Ticket> {
        if let Some(ticket) = self.joining.pop_front() {
            return Some(ticket);
        }
        while self.active < room.all {
            let sender = self.ready.pop_front()?;
            let Some(of_sender) = self.senders.get_mut(&sender) else {
                continue;
            };
            of_sender.is_ready = false;
            let Some(first) = of_sender.take(room.each) else {
                continue;
            };
            let mut gone = vec![first.network];
            let ticket = first.ticket;
            self.active += 1;
            while let Some(twin) = of_sender.take_twin(first.same) {
                gone.push(twin.network);
                self.active += 1;
                self.joining.push_back(twin.ticket);
            }
            for network in gone {
                self.left(network);
            }
            self.make_ready(sender, room);
            return Some(ticket);
        }
        None
    }

    /// A request that waits goes away, or becomes active out of turn where `is_to_go`. False where
    /// it does not wait.
    pub fn leave(&mut self, sender: Sender, ticket: Ticket, is_to_go: bool) -> bool {
        let Some(of_sender) = self.senders.get_mut(&sender) else {
            return false;
        };
        let place = of_sender.waiting.iter().position(|w| w.ticket == ticket);
        let Some(found) = place.and_then(|at| of_sender.waiting.remove(at)) else {
            return false;
        };
        if is_to_go {
            of_sender.begin(found.same);
            self.active += 1;
        }
        self.left(found.network);
        self.forget_if_idle(sender);
        true
    }

    /// Active requests.
    pub fn active(&self) -> u32 {
        self.active
    }

    /// Requests that wait.
    pub fn waiting(&self) -> u32 {
        self.waiting
    }

    /// Whether somebody waits for nothing but room in all.
    pub fn is_short_of_room(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Senders that are known.
    pub fn senders(&self) -> usize {
        self.senders.len()
    }

    fn left(&mut self, network: Network) {
        self.waiting = self.waiting.saturating_sub(1);
        if let Some(of_network) = self.networks.get_mut(&network) {
            *of_network = of_network.saturating_sub(1);
            if *of_network == 0 {
                self.networks.remove(&network);
            }
        }
    }

    fn make_ready(&mut self, sender: Sender, room: Room) {
        let Some(of_sender) = self.senders.get_mut(&sender) else {
            return;
        };
        if of_sender.becomes_ready(room.each) {
            self.ready.push_back(sender);
        }
    }

    fn forget_if_idle(&mut self, sender: Sender) {
        if self.senders.get(&sender).is_some_and(OfSender::is_idle) {
            self.senders.remove(&sender);
        }
    }
}

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

impl OfSender {
    fn is_idle(&self) -> bool {
        self.active == 0 && self.waiting.is_empty()
    }

    /// Whether it has to go among those that are ready, which it counts as from then on.
    fn becomes_ready(&mut self, each: u32) -> bool {
        let becomes = !self.is_ready && !self.waiting.is_empty() && self.active < each;
        self.is_ready |= becomes;
        becomes
    }

    fn begin(&mut self, same: Option<u64>) {
        self.active += 1;
        self.same.extend(same);
    }

    fn end(&mut self, same: Option<u64>) {
        self.active = self.active.saturating_sub(1);
        let place = self.same.iter().position(|known| Some(*known) == same);
        if let Some(place) = place {
            self.same.swap_remove(place);
        }
    }

    /// Whether such a request goes with one that is active.
    fn joins(&self, same: Option<u64>) -> bool {
        let twins = self.same.iter().filter(|known| Some(**known) == same);
        (1..MOST_JOINED).contains(&twins.count())
    }

    /// One more that waits: behind all others, or behind those that it is the same as.
    fn queue(&mut self, new: Waiting) {
        let is_twin = |w: &Waiting| new.same.is_some() && w.same == new.same;
        match self.waiting.iter().rposition(is_twin) {
            Some(place) => self.waiting.insert(place + 1, new),
            None => self.waiting.push_back(new),
        }
    }

    /// The first that waits, if it may go.
    fn take(&mut self, each: u32) -> Option<Waiting> {
        if self.active >= each {
            return None;
        }
        let first = self.waiting.pop_front()?;
        self.begin(first.same);
        Some(first)
    }

    /// One more of what has just gone.
    fn take_twin(&mut self, same: Option<u64>) -> Option<Waiting> {
        let is_twin = same.is_some() && self.waiting.front()?.same == same && self.joins(same);
        let twin = is_twin.then(|| self.waiting.pop_front())??;
        self.begin(twin.same);
        Some(twin)
    }
}

#[cfg(test)]
mod tests;
