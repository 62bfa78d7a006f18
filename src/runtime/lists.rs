//! The lists of servers that a configuration names.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::NotInForce;
use super::authorities::{private_roots, system_roots};
use crate::config::{Config, ListSource, OriginList, WhenStale};
use crate::lists::{Asking, List, RoomSource, Settings, Source, UrlSource, keep};
use crate::matrix::ServerName;
use crate::snapshot::Snapshot;
use crate::telemetry::Telemetry;
use crate::upstream::{Pool, Upstream};

/// The lists of the configuration in force.
#[derive(Default)]
pub(super) struct Lists(Vec<Opened>);

/// A list, and what it follows from: as long as that stays the same, so does what is known of it.
struct Opened {
    written: OriginList,
    folder: PathBuf,
    list: Arc<List>,
}

impl Lists {
    /// The lists of `config`, as far as they can be read now. Those that were there `before` go on.
    pub(super) fn of(config: &Config, before: Option<&Self>) -> Result<Self, NotInForce> {
        let folder = config.state_folder.join("lists");
        let open = |written: &OriginList| {
            let known = before.and_then(|before| before.find(written, &folder));
            let list = match known {
                Some(list) => list,
                None => Arc::new(open(written, config, folder.clone())?),
            };
            Ok(Opened {
                written: written.clone(),
                folder: folder.clone(),
                list,
            })
        };
        let lists = config.federation.lists.iter().map(open);
        Ok(Self(lists.collect::<Result<_, NotInForce>>()?))
    }

    fn find(&self, written: &OriginList, folder: &PathBuf) -> Option<Arc<List>> {
        let mut lists = self.0.iter();
        let same = |it: &&Opened| it.written == *written && it.folder == *folder;
        lists.find(same).map(|opened| opened.list.clone())
    }

    /// All of them, in the order of the configuration.
    pub(super) fn all(&self) -> Vec<Arc<List>> {
        self.0.iter().map(|opened| opened.list.clone()).collect()
    }

    /// Puts what they hold into the rules of `snapshot`.
    pub(super) fn put_into(&self, snapshot: &Snapshot) {
        for Opened { list, .. } in &self.0 {
            put(snapshot, list);
        }
    }

    /// Keeps the rules of `snapshot` up to date.
    pub(super) fn watch(
        &self,
        snapshot: &Arc<Snapshot>,
        telemetry: &Arc<Telemetry>,
        watches: &mut JoinSet<()>,
    ) {
        for Opened { written, list, .. } in &self.0 {
            let homeserver = match &written.source {
                ListSource::Room { site, .. } => homeserver(snapshot, site.as_deref()),
                ListSource::File { .. } | ListSource::Url { .. } => None,
            };
            let asking = Asking {
                pool: Pool::new(),
                deadlines: snapshot.deadlines,
                homeserver,
            };
            let (snapshot, kept) = (snapshot.clone(), list.clone());
            let changed = move || put(&snapshot, &kept);
            watches.spawn(keep(list.clone(), asking, telemetry.clone(), changed));
        }
    }
}

/// Puts the lists of a configuration into its rules, as far as they can be read without asking
/// anybody.
pub fn read_lists(config: &Config, snapshot: &Snapshot) -> Result<(), NotInForce> {
    Lists::of(config, None)?.put_into(snapshot);
    Ok(())
}

fn put(snapshot: &Snapshot, list: &List) {
    let rules = &snapshot.origin_rules;
    rules.rcu(|rules| rules.with_list(list.name(), &list.names()));
}

fn open(written: &OriginList, config: &Config, folder: PathBuf) -> Result<List, NotInForce> {
    let name = || written.name.as_str();
    let bad = |reason: String| NotInForce::List {
        name: name().to_owned(),
        reason,
    };
    let source = source(written, config).map_err(bad)?;
    List::open(Settings {
        name: name().into(),
        source,
        refresh: written.refresh.duration(),
        max_age: written.max_age.duration(),
        is_closed_when_stale: written.when_stale == WhenStale::Closed,
        folder,
    })
    .map_err(bad)
}

fn source(written: &OriginList, config: &Config) -> Result<Source, String> {
    Ok(match &written.source {
        ListSource::File { file } => Source::File(file.to_path_buf()),
        ListSource::Url {
            url,
            ca,
            public_key,
            signature_url,
        } => {
            let roots = match ca {
                Some(ca) => private_roots(ca),
                None => system_roots(),
            };
            let roots = Arc::new(roots.map_err(|error| error.to_string())?);
            let source = UrlSource::new(url.as_str(), roots).map_err(|e| e.to_string())?;
            Source::Url(match public_key {
                Some(key) => {
                    let signature_url = signature_url.as_ref().map(|url| url.as_str());
                    source.signed(key.as_str(), signature_url)
                }
                None => source,
            })
        }
        ListSource::Room {
            room,
            access_token_file,
            site,
        } => {
            let first = config.sites.first().map(|site| &site.server_name);
            let site = site.as_ref().or(first);
            Source::Room(RoomSource {
                room: room.as_str().into(),
                token_file: access_token_file.to_path_buf(),
                site: site.map_or("", |site| site.as_str()).into(),
            })
        }
    })
}

/// The main process of the site's homeserver, or of the only one's.
fn homeserver(snapshot: &Snapshot, site: Option<&ServerName>) -> Option<Arc<Upstream>> {
    let homeserver = match site {
        Some(site) => snapshot.homeserver_of(site.as_str()),
        None => snapshot.homeservers.first(),
    };
    homeserver.map(|homeserver| homeserver.main().clone())
}
