//! Synapse as many processes behind Vestibule: what arrives where, and what an outage of them costs.
//!
//! Each test is one function of `workers.py`, against a deployment that `deployment.py` keeps up for all of them. They
//! kill processes of it, so one of them runs at a time.

use std::{
    path::Path,
    process::Command,
    sync::{LazyLock, Mutex, PoisonError},
};

use super::{NoWorld, ROOT, World, check};

static DEPLOYMENT: LazyLock<Result<World, NoWorld>> = LazyLock::new(|| {
    require_servers()?;
    World::start("deployment.py", "workers.py")
});

static TURN: Mutex<()> = Mutex::new(());

/// The database and the broker by which the processes of Synapse share what they know.
fn require_servers() -> Result<(), NoWorld> {
    let output = Command::new(Path::new(ROOT).join("deploy/prerequisites"))
        .arg("workers")
        .output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(NoWorld::Missing(
        String::from_utf8_lossy(&output.stderr)
            .trim_end()
            .to_owned(),
    ))
}

macro_rules! scenarios {
    ($($name:ident)+) => {
        $(
            #[test]
            fn $name() {
                // One that panicked has left nothing behind that concerns the next.
                let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
                if let Err(why) = check(&DEPLOYMENT, stringify!($name)) {
                    panic!("{why}");
                }
            }
        )+
    };
}

scenarios! {
    a_worker_that_is_killed_ten_times_does_nothing_twice
    a_wrong_worker_is_noticed
    an_imported_configuration_routes_the_same
    an_outage_of_20_seconds_is_not_seen
    every_request_lands_on_a_worker_of_its_group
    ten_restarts_cause_no_back_off
    users_and_rooms_keep_their_worker
}
