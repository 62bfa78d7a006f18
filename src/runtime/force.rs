//! From a configuration to one that is in force: first all that can fail, then the rest at once.

use std::sync::Arc;

use time::OffsetDateTime;

use super::certificates;
use super::doors::{self, Difference, Plan, Terms};
use super::lists::Lists;
use super::offers::Offers;
use super::succession::TicketSecret;
use super::{NotInForce, Running, admin, engine, files, limits, watches};
use crate::admin::Token;
use crate::config::Config;
use crate::listen::Limits;
use crate::listen::socket::Available;
use crate::snapshot::{Snapshot, compile};
use crate::telemetry::Telemetry;
use crate::upstream::{Resolver, system_resolver};

/// A configuration with all that can fail done, and nothing served by it yet.
pub(super) struct Prepared {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) limits: Arc<Limits>,
    certificates: Option<certificates::Prepared>,
    has_tls: bool,
    offers: Offers,
    admin_token: Option<Arc<Token>>,
    resolver: Option<Resolver>,
    lists: Lists,
}

/// What was prepared for the listeners, those of requests and that of the admin.
pub(super) struct Plans {
    requests: Plan,
    admin: Plan,
}

impl Prepared {
    /// Prepares `config` to take the place of what `running` serves.
    pub(super) fn of(
        config: &Config,
        running: Option<&Running>,
        telemetry: &Arc<Telemetry>,
        secret: &TicketSecret,
    ) -> Result<Self, NotInForce> {
        let before = running.map(|running| running.snapshot.load_full());
        let mut snapshot = compile(config, before.as_deref()).map_err(NotInForce::Configuration)?;
        engine::check(config)?;
        let lists = Lists::of(config, running.map(|running| &running.lists))?;
        lists.put_into(&snapshot);
        let mut homeservers = snapshot.homeservers.iter();
        let wants_dns = homeservers.any(|homeserver| !homeserver.discovered().is_empty());
        let resolver = wants_dns.then(system_resolver).transpose()?;
        let has_tls = certificates::are_wanted(config);
        let current = running.and_then(|running| running.certificates.as_ref());
        let now = OffsetDateTime::now_utc();
        let certificates = if has_tls {
            certificates::prepare(config, current, telemetry, now)?
        } else {
            None
        };
        let prepared = certificates.as_ref().map(|prepared| &prepared.serving);
        let serving = prepared.or(current.map(|current| &current.serving));
        let none = Offers::default();
        let offers = match serving.filter(|_| has_tls) {
            Some(serving) => {
                snapshot.challenges.clone_from(&serving.challenges);
                let before = running.map_or(&none, |running| &running.offers);
                Offers::of_all(serving, config, before, secret)?
            }
            None => none,
        };
        Ok(Self {
            snapshot: Arc::new(snapshot),
            limits: Arc::new(limits::of(config)),
            certificates,
            has_tls,
            offers,
            admin_token: admin::token(config)?,
            resolver,
            lists,
        })
    }
}

impl Running {
    /// Opens the addresses that `config` has and that are not open yet.
    pub(super) fn plan(
        &self,
        config: &Config,
        available: &mut Available,
    ) -> Result<Plans, NotInForce> {
        let wanted = doors::wanted(&config.listeners);
        let requests = self.doors.plan(wanted, available);
        let admin = admin::plan(&self.admin, config, available);
        match (requests, admin) {
            (Ok(requests), Ok(admin)) => Ok(Plans { requests, admin }),
            (Err(mut errors), Err(others)) => {
                errors.extend(others);
                Err(NotInForce::Bind(errors))
            }
            (Err(errors), Ok(_)) | (Ok(_), Err(errors)) => Err(NotInForce::Bind(errors)),
        }
    }

    /// Puts a configuration in force: requests that begin from now on are served by it.
    pub(super) fn put_in_force(
        &mut self,
        config: Config,
        prepared: Prepared,
        plans: Plans,
    ) -> Difference {
        for note in &plans.requests.notes {
            tracing::warn!("{note}");
        }
        files::raise_limit(&config);
        self.snapshot.store(prepared.snapshot.clone());
        match prepared.certificates {
            Some(certificates) => {
                // First, so that two do not order the same.
                drop(self.certificates.take());
                self.certificates = Some(certificates.serve(self.telemetry.clone()));
            }
            None if prepared.has_tls => {}
            None => self.certificates = None,
        }
        let terms = Terms {
            limits: prepared.limits.clone(),
            offers: &prepared.offers,
        };
        let difference = self.doors.commit(plans.requests, &terms);
        admin::commit(&mut self.admin, plans.admin, &prepared.limits);
        self.admin_token.store(prepared.admin_token);
        self.offers = prepared.offers;
        let resolver = prepared.resolver.as_ref();
        self.watches = watches::start(&prepared.snapshot, resolver, &self.telemetry);
        let (lists, watches) = (&prepared.lists, &mut self.watches);
        lists.watch(&prepared.snapshot, &self.telemetry, watches);
        self.drain = config.timeouts.drain.duration();
        self.told.put_in_force(&config, self.certificates.as_ref());
        self.told.lists.store(Arc::new(prepared.lists.all()));
        self.lists = prepared.lists;
        if let Some(self_check) = &self.self_check {
            self_check.begin(&config);
        }
        self.config = config;
        difference
    }
}
