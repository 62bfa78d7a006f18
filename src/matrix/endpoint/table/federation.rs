//! The server-server API: federation, policy servers and signing keys.

use super::super::row::{ANY, DELETE, GET, OPTIONS, POST, PUT, Row};
use super::super::{Api, Class};
use super::FIXED;
use crate::matrix::worker::{Affinity, Group};

const fn signed(methods: u8, template: &'static str, class: Class) -> Row {
    Row::new(methods, FIXED, template, Api::Federation, class).signed()
}

const fn open(methods: u8, template: &'static str, class: Class) -> Row {
    Row::new(methods, FIXED, template, Api::Federation, class)
}

const fn key(methods: u8, template: &'static str, class: Class) -> Row {
    Row::new(methods, FIXED, template, Api::Key, class)
}

#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    open(OPTIONS, "/_matrix/federation/*", Class::Preflight),
    open(ANY, "/_matrix/federation/*", Class::FedUnknown),
    signed(PUT, "/_matrix/federation/v1/send/{txnId}", Class::FedTransaction).optional_slash().on(Group::FederationInbound, Affinity::Origin),

    signed(GET, "/_matrix/federation/v1/make_join/{roomId}/{userId}", Class::FedJoin).on(Group::FederationReader, Affinity::Room).hold(18),
    signed(PUT, "/_matrix/federation/v1/send_join/{roomId}/{eventId}", Class::FedJoin).on(Group::FederationReader, Affinity::Room),
    signed(PUT, "/_matrix/federation/v2/send_join/{roomId}/{eventId}", Class::FedJoin).on(Group::FederationReader, Affinity::Room),
    signed(GET, "/_matrix/federation/v1/make_knock/{roomId}/{userId}", Class::FedJoin).on(Group::FederationReader, Affinity::Room).hold(18),
    signed(PUT, "/_matrix/federation/v1/send_knock/{roomId}/{eventId}", Class::FedJoin).on(Group::FederationReader, Affinity::Room),
    signed(GET, "/_matrix/federation/v1/make_leave/{roomId}/{userId}", Class::FedJoin).on(Group::FederationReader, Affinity::Room),
    signed(PUT, "/_matrix/federation/v1/send_leave/{roomId}/{eventId}", Class::FedJoin).on(Group::FederationReader, Affinity::Room),
    signed(PUT, "/_matrix/federation/v2/send_leave/{roomId}/{eventId}", Class::FedJoin).on(Group::FederationReader, Affinity::Room),

    signed(PUT, "/_matrix/federation/v1/invite/{roomId}/{eventId}", Class::FedInvite).on(Group::FederationReader, Affinity::Room),
    signed(PUT, "/_matrix/federation/v2/invite/{roomId}/{eventId}", Class::FedInvite).on(Group::FederationReader, Affinity::Room),
    signed(PUT, "/_matrix/federation/v1/exchange_third_party_invite/{roomId}", Class::FedInvite).on(Group::FederationReader, Affinity::Room),
    // The specification says PUT, Synapse takes POST.
    open(POST | PUT, "/_matrix/federation/v1/3pid/onbind", Class::FedInvite).on(Group::FederationReader, Affinity::None),

    signed(GET, "/_matrix/federation/v1/state/{roomId}", Class::FedState).optional_slash().on(Group::FederationReader, Affinity::Room),
    signed(GET, "/_matrix/federation/v1/state_ids/{roomId}", Class::FedState).optional_slash().on(Group::FederationReader, Affinity::Target),
    signed(GET, "/_matrix/federation/v1/event_auth/{roomId}/{eventId}", Class::FedState).on(Group::FederationReader, Affinity::Room),

    signed(GET, "/_matrix/federation/v1/backfill/{roomId}", Class::FedHistory).optional_slash().on(Group::FederationReader, Affinity::Room),
    signed(GET, "/_matrix/federation/v1/event/{eventId}", Class::FedHistory).optional_slash().on(Group::FederationReader, Affinity::Target),
    signed(POST, "/_matrix/federation/v1/get_missing_events/{roomId}", Class::FedHistory).on(Group::FederationReader, Affinity::Room),
    signed(GET, "/_matrix/federation/v1/timestamp_to_event/{roomId}", Class::FedHistory).optional_slash().on(Group::FederationReader, Affinity::Room),
    signed(GET, "/_matrix/federation/unstable/org.matrix.msc4370/extremities/{roomId}", Class::FedHistory).on(Group::FederationReader, Affinity::Room),

    signed(GET, "/_matrix/federation/v1/user/devices/{userId}", Class::FedKeys).on(Group::FederationReader, Affinity::None).hold(28),
    signed(POST, "/_matrix/federation/v1/user/keys/query", Class::FedKeys).on(Group::FederationReader, Affinity::None),
    signed(POST, "/_matrix/federation/v1/user/keys/claim", Class::FedKeys).on(Group::FederationReader, Affinity::None),
    signed(POST, "/_matrix/federation/unstable/user/keys/claim", Class::FedKeys).on(Group::FederationReader, Affinity::None),

    signed(GET, "/_matrix/federation/v1/query/directory", Class::FedQuery).on(Group::FederationReader, Affinity::None),
    signed(GET, "/_matrix/federation/v1/query/profile", Class::FedQuery).on(Group::FederationReader, Affinity::None),
    signed(GET, "/_matrix/federation/v1/query/{queryType}", Class::FedQuery).on(Group::FederationReader, Affinity::None),
    signed(GET | POST, "/_matrix/federation/v1/publicRooms", Class::FedQuery).on(Group::FederationReader, Affinity::None),
    signed(GET, "/_matrix/federation/v1/hierarchy/{roomId}", Class::FedQuery).on(Group::FederationReader, Affinity::Room),
    signed(GET, "/_matrix/federation/unstable/rooms/{roomId}/complexity", Class::FedQuery).on(Group::FederationReader, Affinity::Room),
    signed(POST, "/_matrix/federation/unstable/org.matrix.msc3720/query/account_status", Class::FedQuery).on(Group::FederationReader, Affinity::None),
    open(GET, "/_matrix/federation/v1/openid/userinfo", Class::FedQuery).on(Group::FederationReader, Affinity::None),

    signed(GET, "/_matrix/federation/v1/media/download/{mediaId}", Class::FedMedia).on(Group::MediaRepository, Affinity::Media),
    signed(GET, "/_matrix/federation/v1/media/thumbnail/{mediaId}", Class::FedMedia).on(Group::MediaRepository, Affinity::Media),
    open(GET, "/_matrix/federation/v1/version", Class::FedMeta).on(Group::FederationReader, Affinity::None),

    signed(GET | POST | PUT | DELETE, "/_matrix/federation/v1/rtc/livekit/*", Class::Appservice).on(Group::FederationReader, Affinity::None),
    signed(GET | POST | PUT | DELETE, "/_matrix/federation/unstable/{feature}/rtc/livekit/*", Class::Appservice).on(Group::FederationReader, Affinity::None),

    open(OPTIONS, "/_matrix/policy/*", Class::Preflight),
    open(ANY, "/_matrix/policy/*", Class::FedUnknown),
    signed(POST, "/_matrix/policy/v1/sign", Class::FedPolicy),

    key(OPTIONS, "/_matrix/key/*", Class::Preflight),
    key(ANY, "/_matrix/key/*", Class::FedUnknown),
    key(GET, "/_matrix/key/v2/server", Class::KeyOwn).on(Group::FederationReader, Affinity::None),
    key(GET, "/_matrix/key/v2/server/{keyId}", Class::KeyOwn).on(Group::FederationReader, Affinity::None),
    key(POST, "/_matrix/key/v2/query", Class::KeyNotary).on(Group::FederationReader, Affinity::None),
    key(GET, "/_matrix/key/v2/query/{serverName}", Class::KeyNotary).on(Group::FederationReader, Affinity::None),
    key(GET, "/_matrix/key/v2/query/{serverName}/{keyId}", Class::KeyNotary).on(Group::FederationReader, Affinity::None),
];
