//! Certificates: which there are, and which one a client hello gets.
//!
//! A [`CertificateSet`] never changes; the [`CertificateStore`] holds the one
//! in force and swaps it whole, so a handshake sees either the old or the new
//! set. Where certificates come from (files, the own CA) is told by the
//! modules that make sets.

mod certificate;
mod files;
mod name;
mod self_signed;
mod watch;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use time::OffsetDateTime;

pub use certificate::{Certificate, CertificateProblem};
pub use files::{CertificateError, CertificateWarning, PemFiles};
pub use name::{CertificateName, InvalidCertificateName};
pub use self_signed::{NotSelfSigned, self_signed};
pub use watch::{Change, Unfit, Watched};

/// Certificates that are served together, one of them the default.
///
/// Several may hold the same name, an ECDSA and an RSA one for instance: the
/// first in order whose key the client can verify is served.
pub struct CertificateSet {
    certificates: Vec<Certificate>,
    exact: HashMap<Box<str>, Vec<Arc<CertifiedKey>>>,
    /// Keyed by what follows `*.`.
    wildcard: HashMap<Box<str>, Vec<Arc<CertifiedKey>>>,
    /// Those with an address: who connects to one asks for no name.
    addressed: Vec<Arc<CertifiedKey>>,
    /// All keys in order; the first is the default.
    any: Vec<Arc<CertifiedKey>>,
}

impl CertificateSet {
    /// A set of `default`, for client hellos with an unknown name, and `others`. It is also for
    /// those without a name, unless another has an address.
    pub fn new(default: Certificate, others: impl IntoIterator<Item = Certificate>) -> Self {
        let certificates: Vec<_> = std::iter::once(default).chain(others).collect();
        let mut exact: HashMap<_, Vec<_>> = HashMap::new();
        let mut wildcard: HashMap<_, Vec<_>> = HashMap::new();
        let mut addressed = Vec::new();
        for certificate in &certificates {
            if certificate.names().iter().any(CertificateName::is_address) {
                addressed.push(Arc::clone(certificate.key()));
            }
            for name in certificate.names() {
                let (table, name) = match name {
                    CertificateName::Dns(name) => (&mut exact, name),
                    CertificateName::Wildcard(parent) => (&mut wildcard, parent),
                    // A client hello cannot ask for an address (RFC 6066 section 3).
                    CertificateName::Ip(_) => continue,
                };
                let keys = table.entry(name.clone()).or_default();
                keys.push(Arc::clone(certificate.key()));
            }
        }
        let any = certificates.iter().map(|c| Arc::clone(c.key())).collect();
        Self {
            certificates,
            exact,
            wildcard,
            addressed,
            any,
        }
    }

    /// The certificates, the default first.
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// Those of `names` that no certificate covers: their clients get the
    /// default certificate, and will refuse it.
    pub fn uncovered<'a>(
        &self,
        names: impl IntoIterator<Item = &'a CertificateName>,
    ) -> Vec<&'a CertificateName> {
        let is_covered = |name: &&CertificateName| self.certificates.iter().any(|c| c.covers(name));
        names.into_iter().filter(|n| !is_covered(n)).collect()
    }

    /// Whether a certificate has `server_name`, which is in lower case; for none, an address.
    fn knows(&self, server_name: Option<&str>) -> bool {
        let Some(server_name) = server_name else {
            return !self.addressed.is_empty();
        };
        let wildcard = || {
            let (_, parent) = server_name.split_once('.')?;
            self.wildcard.get(parent)
        };
        self.exact.contains_key(server_name) || wildcard().is_some()
    }

    /// The key for a name in lower case: exact, then wildcard, then default; for none, one with an
    /// address.
    ///
    /// Where no key of the name is usable, its first is returned all the same:
    /// the handshake then fails with the alert that says why, and not with a
    /// certificate of another name.
    fn select(
        &self,
        server_name: Option<&str>,
        is_usable: impl Fn(&CertifiedKey) -> bool,
    ) -> Option<Arc<CertifiedKey>> {
        let exact = server_name.and_then(|name| self.exact.get(name));
        let wildcard = || {
            let (_, parent) = server_name?.split_once('.')?;
            self.wildcard.get(parent)
        };
        let nameless = || {
            let is_for_it = server_name.is_none() && !self.addressed.is_empty();
            is_for_it.then_some(&self.addressed)
        };
        let keys = exact.or_else(wildcard).or_else(nameless);
        let keys = keys.unwrap_or(&self.any);
        let usable = keys.iter().find(|key| is_usable(key));
        usable.or(keys.first()).cloned()
    }
}

impl fmt::Debug for CertificateSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.certificates).finish()
    }
}

/// The certificates in force, shared by all handshakes. Names that they lack may be left to another
/// store.
///
/// Unknown and absent server names get the default certificate: some
/// federation peers send none, and it is for the client to say whether a
/// certificate will do.
#[derive(Debug)]
pub struct CertificateStore {
    current: ArcSwap<CertificateSet>,
    others: ArcSwapOption<Self>,
}

impl CertificateStore {
    /// A store that serves `set`.
    pub fn new(set: CertificateSet) -> Arc<Self> {
        Arc::new(Self {
            current: ArcSwap::from_pointee(set),
            others: ArcSwapOption::empty(),
        })
    }

    /// Where this one lacks a name that `others` have, theirs is served from now on.
    pub fn leave_others_to(&self, others: Option<Arc<Self>>) {
        self.others.store(others);
    }

    /// The set in force.
    pub fn current(&self) -> Arc<CertificateSet> {
        self.current.load_full()
    }

    /// Serves `set` from the next handshake on; running ones keep theirs.
    pub fn replace(&self, set: CertificateSet) {
        self.current.store(Arc::new(set));
    }

    /// Whether a certificate has `server_name`, which is in lower case.
    pub fn knows(&self, server_name: &str) -> bool {
        let others = self.others.load();
        let others = others.as_ref();
        self.current.load().knows(Some(server_name))
            || others.is_some_and(|others| others.knows(server_name))
    }

    /// When each name's certificate ends; of several for one name, the first to end.
    pub fn expiries(&self) -> BTreeMap<CertificateName, OffsetDateTime> {
        let mut expiries = BTreeMap::new();
        for certificate in self.current.load().certificates() {
            for name in certificate.names() {
                expiries
                    .entry(name.clone())
                    .and_modify(|at| *at = certificate.not_after().min(*at))
                    .or_insert(certificate.not_after());
            }
        }
        expiries
    }
}

impl ResolvesServerCert for CertificateStore {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self.current.load();
        if let Some(others) = self.others.load().as_ref()
            && !current.knows(hello.server_name())
            && others.current.load().knows(hello.server_name())
        {
            return others.resolve(hello);
        }
        let schemes = hello.signature_schemes();
        current.select(hello.server_name(), |key| {
            key.key.choose_scheme(schemes).is_some()
        })
    }
}

#[cfg(test)]
mod tests;
