//! The admin listener, on a thread of its own: it stays open while the others drain, so that
//! whoever watches sees it happen, and answers when they have too much to do.

use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::watch;

use super::NotInForce;
use super::doors::{self, Common, Doors, Plan, Terms};
use super::offers::Offers;
use crate::admin::{Admin, Token};
use crate::config::{AdminAddress, Config};
use crate::listen::socket::{Address, Available, BindError};
use crate::listen::{Connections, Limits, Listener};
use crate::matrix::Profile;
use crate::telemetry::Telemetry;

/// The doors of the admin listener; none is open yet.
pub(super) fn doors(
    app: Arc<Admin>,
    limits: &Limits,
    telemetry: &Arc<Telemetry>,
) -> io::Result<Doors<Admin>> {
    // Its connections do not count among those of the others.
    let common = Common {
        connections: Connections::new(limits),
        telemetry: telemetry.clone(),
        closing: watch::Sender::new(false),
    };
    Doors::new("admin", vec![app], common)
}

/// Opens what the configuration wants.
pub(super) fn plan(
    doors: &Doors<Admin>,
    config: &Config,
    available: &mut Available,
) -> Result<Plan, Vec<BindError>> {
    doors.plan(wanted(config), available)
}

/// Serves it.
pub(super) fn commit(doors: &mut Doors<Admin>, plan: Plan, limits: &Arc<Limits>) {
    let terms = Terms {
        limits: limits.clone(),
        offers: &Offers::default(),
    };
    doors.commit(plan, &terms);
}

fn wanted(config: &Config) -> Vec<(Address, Listener)> {
    match &*config.admin.address {
        AdminAddress::Off => Vec::new(),
        AdminAddress::At(written) => {
            let listener = Listener {
                name: "admin".into(),
                profile: Profile::Both,
                tls: false,
                proxy_protocol: Vec::new(),
            };
            vec![(doors::address(written), listener)]
        }
    }
}

/// The token that changing calls over TCP must bring, where there is one.
pub(super) fn token(config: &Config) -> Result<Option<Arc<Token>>, NotInForce> {
    let read = |path: &Path| {
        Token::read(path).map(Arc::new).map_err(|reason| {
            let path = path.display().to_string();
            NotInForce::AdminToken { path, reason }
        })
    };
    let path = config.admin.token_file.as_ref();
    path.map(|path| read(path)).transpose()
}
