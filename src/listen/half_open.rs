//! The handshakes that are not done. Where there are too many, the oldest makes room: whoever
//! means to come in is done in a moment, and whoever fills the places is not.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The handshakes that are not done, whatever the address.
#[derive(Debug, Default)]
pub(super) struct HalfOpen(Mutex<Running>);

#[derive(Debug, Default)]
struct Running {
    /// By number, which is by age.
    places: BTreeMap<u64, Arc<Notify>>,
    next: u64,
}

/// A handshake that is not done for as long as this lives.
#[derive(Debug)]
pub(super) struct Handshake<'a> {
    all: &'a HalfOpen,
    number: u64,
    displaced: Arc<Notify>,
}

impl HalfOpen {
    /// Begins one more. Beyond `most` the oldest is told to end.
    pub(super) fn begin(&self, most: usize) -> Handshake<'_> {
        let mut running = self.locked();
        let number = running.next;
        running.next += 1;
        let displaced = Arc::<Notify>::default();
        running.places.insert(number, displaced.clone());
        while running.places.len() > most {
            let Some((_, oldest)) = running.places.pop_first() else {
                break;
            };
            oldest.notify_one();
        }
        drop(running);
        Handshake {
            all: self,
            number,
            displaced,
        }
    }

    fn locked(&self) -> MutexGuard<'_, Running> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Handshake<'_> {
    /// Ends when it has to make room.
    pub(super) async fn displaced(&self) {
        self.displaced.notified().await;
    }
}

impl Drop for Handshake<'_> {
    fn drop(&mut self) {
        self.all.locked().places.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn the_oldest_makes_room() {
        let all = HalfOpen::default();
        let [first, second, third] = [(); 3].map(|()| all.begin(2));
        let is_displaced = |it: &Handshake<'_>| it.displaced().now_or_never().is_some();
        assert!(is_displaced(&first));
        assert!(!is_displaced(&second) && !is_displaced(&third));
        drop(third);
        let fourth = all.begin(2);
        assert!(!is_displaced(&second));
        drop((second, fourth));
        assert!(all.locked().places.is_empty());
    }
}
