//! The work itself: one name after the other, for as long as the program runs.

use std::sync::Arc;
use std::time::Duration as Pause;

use instant_acme::{Account, CertificateIdentifier};
use time::{Duration, OffsetDateTime};

use super::folder::{PendingOrder, Record};
use super::order::{self, Issued, Wish};
use super::schedule::{self, Urgency, Window};
use super::trouble::Trouble;
use super::{Acme, Authority, Held, names};
use crate::listen::certificates::{CertificateName, CertificateStore};

/// How often it is looked whether another process brought a certificate.
const LOOK: Pause = Pause::from_mins(1);
/// The same while another process orders.
const LOOK_CLOSELY: Pause = Pause::from_secs(2);
/// For one order in all.
const ATTEMPT: Pause = Pause::from_mins(5);
/// How long an authority's renewal window is believed when it does not say how long.
const ASK_WINDOW: Duration = Duration::hours(6);

/// What is to be done next, and when.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Job {
    at: OffsetDateTime,
    what: Work,
    name: CertificateName,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Work {
    Order,
    AskWindow,
}

impl Acme {
    /// Orders and renews, and puts what comes of it into `store`. Ends only when it is dropped;
    /// what was on its way is taken up by whoever opens the folder next.
    pub async fn keep(mut self, store: Arc<CertificateStore>) {
        self.publish(&store);
        loop {
            let pause = self.work(&store).await;
            tokio::time::sleep(pause).await;
        }
    }

    /// Does what is due first; how long to wait before the next look.
    async fn work(&mut self, store: &CertificateStore) -> Pause {
        self.take_up(store);
        let now = OffsetDateTime::now_utc();
        let Some(job) = self.jobs().into_iter().min() else {
            return LOOK;
        };
        if job.at > now {
            return LOOK.min((job.at - now).unsigned_abs());
        }
        let lock = match self.folder.lock() {
            Ok(Some(lock)) => lock,
            Ok(None) => return LOOK_CLOSELY,
            Err(error) => {
                tracing::error!("cannot lock the state folder, so nothing is ordered: {error}");
                return LOOK;
            }
        };
        // Another process may have done it, between our look and the lock.
        self.take_up(store);
        if self.job(&job.name).as_ref() != Some(&job) {
            return Pause::ZERO;
        }
        match job.what {
            Work::Order => self.order(&job.name, store).await,
            Work::AskWindow => self.ask_window(&job.name).await,
        }
        drop(lock);
        Pause::ZERO
    }

    fn take_up(&mut self, store: &CertificateStore) {
        let mut is_new = false;
        for name in self.settings.names.clone() {
            if self.read(&name) {
                tracing::info!("certificate for {name} found in the state folder");
                is_new = true;
            }
        }
        if is_new {
            self.publish(store);
        }
    }

    /// Serves what is held, and tells the metrics.
    fn publish(&self, store: &CertificateStore) {
        if let Ok(set) = self.certificates() {
            store.replace(set);
        }
        let names = self.held.keys().map(ToString::to_string).collect();
        self.telemetry.keep_certificates(&names);
        for (name, held) in &self.held {
            let text = name.to_string();
            let until = held.certificate.not_after().unix_timestamp();
            self.telemetry.certificate_expiry(&text, until);
            self.telemetry
                .certificate_self_signed(&text, held.pem.is_none());
        }
    }

    fn jobs(&self) -> Vec<Job> {
        let names = self.settings.names.iter();
        names.filter_map(|name| self.job(name)).collect()
    }

    /// What comes next for a name.
    fn job(&self, name: &CertificateName) -> Option<Job> {
        if !self.is_orderable(name) {
            return None;
        }
        let record = self.record(name);
        let ask_window = record.ask_window.map(schedule::at);
        let asked = ask_window.map(|at| Job {
            at,
            what: Work::AskWindow,
            name: name.clone(),
        });
        let validity = self.held.get(name).and_then(Held::validity);
        let due = schedule::next(name, validity, &record);
        let order = Job {
            at: due.unwrap_or(OffsetDateTime::UNIX_EPOCH),
            what: Work::Order,
            name: name.clone(),
        };
        asked.into_iter().chain([order]).min()
    }

    fn record(&self, name: &CertificateName) -> Record {
        let record = self.folder.record(name);
        let unreadable = |error| tracing::warn!("cannot read what is known of {name}: {error}");
        record.map_err(unreadable).unwrap_or_default()
    }

    fn set_record(&self, name: &CertificateName, record: &Record) {
        if let Err(error) = self.folder.set_record(name, record) {
            tracing::error!("cannot write what is known of {name}: {error}");
        }
    }

    /// Asks one authority after the other for a certificate.
    async fn order(&mut self, name: &CertificateName, store: &CertificateStore) {
        let mut record = self.record(name);
        let mut last = None;
        let is_one = |authority: &Authority| !authority.is_public || names::is_public(name);
        let mut authorities = self.settings.authorities.clone();
        authorities.retain(is_one);
        for authority in authorities {
            tracing::debug!(
                "asking {} for a certificate for {name}",
                authority.directory
            );
            let asked = tokio::time::timeout(ATTEMPT, self.ask(&authority, name, &mut record));
            let late = |_| Err(Trouble::Late(order::PATIENCE));
            let trouble = match asked.await.unwrap_or_else(late) {
                Ok(issued) => return self.keep_issued(name, &authority, issued, store),
                Err(trouble) => trouble,
            };
            tracing::debug!("{} for {name}: {trouble}", authority.directory);
            self.telemetry
                .certificate_order(&name.to_string(), trouble.word());
            let goes_on = trouble.is_of_this_authority();
            last = Some((authority, trouble));
            if !goes_on {
                break;
            }
        }
        if let Some((authority, trouble)) = last {
            self.note_failure(name, &authority, &trouble, record);
        }
    }

    fn keep_issued(
        &mut self,
        name: &CertificateName,
        authority: &Authority,
        issued: Issued,
        store: &CertificateStore,
    ) {
        let Issued { certificate, pem } = issued;
        if let Err(error) = self.folder.set_pem(name, &pem) {
            // It is served for as long as we run, and then ordered again.
            tracing::error!("cannot keep the certificate of {name}: {error}");
        }
        tracing::info!(
            "certificate for {name} from {}, valid until {}",
            authority.directory,
            certificate.not_after(),
        );
        self.telemetry
            .certificate_order(&name.to_string(), "issued");
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let record = Record {
            authority: Some(authority.directory.clone()),
            ask_window: Some(now),
            ..Record::default()
        };
        self.set_record(name, &record);
        let pem = Some(pem.into_bytes());
        self.held.insert(name.clone(), Held { certificate, pem });
        self.publish(store);
    }

    fn note_failure(
        &self,
        name: &CertificateName,
        authority: &Authority,
        trouble: &Trouble,
        mut record: Record,
    ) {
        let now = OffsetDateTime::now_utc();
        record.failures = record.failures.saturating_add(1);
        let wait = schedule::wait(
            record.failures,
            trouble.failed(),
            trouble.retry_after(),
            schedule::fraction((name, now.unix_timestamp())),
        );
        let next = now + wait;
        record.next_attempt = Some(next.unix_timestamp());
        if !trouble.may_pass() {
            record.order = None;
        }
        let validity = self.held.get(name).and_then(Held::validity);
        let state = match validity {
            None => "there is none yet, so a self-signed one is served".to_owned(),
            Some(validity) if validity.until <= now => {
                format!("the old one expired on {}", validity.until)
            }
            Some(validity) => format!("the old one is served until {}", validity.until),
        };
        let remedy = trouble.remedy(name).unwrap_or_default();
        let remedy = if remedy.is_empty() {
            remedy
        } else {
            format!("; {remedy}")
        };
        let message = format!(
            "no certificate for {name} from {}: {trouble}{remedy}; {state}; next try at {}",
            authority.directory,
            next.replace_nanosecond(0).unwrap_or(next),
        );
        record.last_error = Some(format!("{trouble}{remedy}"));
        self.set_record(name, &record);
        match schedule::urgency(validity, now) {
            Urgency::Calm => tracing::warn!("{message}"),
            Urgency::Soon | Urgency::Down => tracing::error!("{message}"),
        }
    }

    /// Asks one authority. What must be remembered meanwhile goes into `record`, and the folder.
    async fn ask(
        &self,
        authority: &Authority,
        name: &CertificateName,
        record: &mut Record,
    ) -> Result<Issued, Trouble> {
        let asked = self.ask_as_known(authority, name, record).await;
        match asked {
            Err(trouble) if trouble.is_unknown_account() => {
                tracing::warn!(
                    "{} has forgotten our account: making another",
                    authority.directory
                );
                self.folder.forget_account(&authority.directory)?;
                self.ask_as_known(authority, name, record).await
            }
            asked => asked,
        }
    }

    async fn ask_as_known(
        &self,
        authority: &Authority,
        name: &CertificateName,
        record: &mut Record,
    ) -> Result<Issued, Trouble> {
        let contact = self.settings.contact.as_deref();
        let account = authority.account(&self.folder, contact).await?;
        // Each try takes another challenge first: one of the ports may be closed.
        let mut challenges = self.settings.challenges.clone();
        let turn = usize::try_from(record.failures).unwrap_or_default();
        let turn = turn.checked_rem(challenges.len()).unwrap_or_default();
        challenges.rotate_left(turn);
        let held = self.held.get(name).filter(|held| held.pem.is_some());
        let is_known =
            record.window.is_some() && record.authority.as_ref() == Some(&authority.directory);
        let replaces = held.filter(|_| is_known).and_then(identifier);
        let mut wish = Wish {
            name,
            authority: &authority.directory,
            profile: authority.profile_for(&account, name),
            key: self.settings.key,
            challenges: &challenges,
            replaces,
        };
        let is_there = |pending: &mut PendingOrder| pending.authority == authority.directory;
        let pending = record.order.take_if(is_there);
        let resumed = match &pending {
            Some(pending) => order::resume(&account, pending).await,
            None => None,
        };
        let (order, pending) = match (resumed, pending) {
            (Some(order), Some(pending)) => {
                tracing::info!("going on with the order for {name}");
                (order, pending)
            }
            _ => match order::place(&account, &wish).await {
                // A certificate matters more than what the authority makes of the old one.
                Err(trouble) if wish.replaces.is_some() && trouble.may_be_of_replacing() => {
                    wish.replaces = None;
                    order::place(&account, &wish).await?
                }
                placed => placed?,
            },
        };
        let PendingOrder { key, .. } = pending.clone();
        record.order = Some(pending);
        self.folder.set_record(name, record)?;
        order::complete(order, &wish, &key, &self.challenges).await
    }

    /// Asks when the certificate is to be renewed (RFC 9773).
    async fn ask_window(&self, name: &CertificateName) {
        let mut record = self.record(name);
        let (window, again) = self.window(name, &record).await;
        let again = OffsetDateTime::now_utc() + again.unwrap_or(ASK_WINDOW);
        record.ask_window = Some(again.unix_timestamp());
        // An authority that cannot be asked has not changed its mind.
        record.window = window.or(record.window);
        self.set_record(name, &record);
    }

    async fn window(
        &self,
        name: &CertificateName,
        record: &Record,
    ) -> (Option<Window>, Option<Duration>) {
        let is_it =
            |authority: &&Authority| Some(&authority.directory) == record.authority.as_ref();
        let authority = self.settings.authorities.iter().find(is_it);
        let identifier = self.held.get(name).and_then(identifier);
        let (Some(authority), Some(identifier)) = (authority, identifier) else {
            return (None, None);
        };
        let asked = async {
            let contact = self.settings.contact.as_deref();
            let account = authority.account(&self.folder, contact).await?;
            Ok::<_, Trouble>(account.renewal_info(&identifier).await?)
        };
        match asked.await {
            Ok((info, again)) => {
                let window = Window {
                    start: info.suggested_window.start.unix_timestamp(),
                    end: info.suggested_window.end.unix_timestamp(),
                };
                let again = Duration::try_from(again).unwrap_or(ASK_WINDOW);
                // As the RFC bounds it (4.3.2), and so that nobody makes us ask without pause.
                let again = again.clamp(Duration::minutes(1), Duration::days(1));
                (Some(window), Some(again))
            }
            Err(trouble) => {
                tracing::debug!("no renewal window for {name}: {trouble}");
                (None, None)
            }
        }
    }
}

impl Authority {
    /// The profile to order for a name.
    fn profile_for<'a>(&'a self, account: &Account, name: &CertificateName) -> Option<&'a str> {
        // Let's Encrypt signs addresses for six days only, and wants to be asked for that.
        let is_offered = || {
            account
                .profiles()
                .any(|profile| profile.name == "shortlived")
        };
        match (&self.profile, name) {
            (Some(profile), _) => Some(profile),
            (None, CertificateName::Ip(_)) if is_offered() => Some("shortlived"),
            (None, _) => None,
        }
    }
}

/// What authorities call a certificate (RFC 9773, 4.1).
fn identifier(held: &Held) -> Option<CertificateIdentifier<'static>> {
    let first = held.certificate.chain().first()?;
    let identifier = CertificateIdentifier::try_from(first).ok()?;
    Some(identifier.into_owned())
}
