//! The server-server API: federation, policy servers and signing keys.

use super::super::row::{ANY, DELETE, GET, OPTIONS, POST, PUT, Row};
use super::super::{Api, Class};
use super::FIXED;

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
    signed(PUT, "/_matrix/federation/v1/send/{txnId}", Class::FedTransaction).optional_slash(),

    signed(GET, "/_matrix/federation/v1/make_join/{roomId}/{userId}", Class::FedJoin),
    signed(PUT, "/_matrix/federation/v1/send_join/{roomId}/{eventId}", Class::FedJoin),
    signed(PUT, "/_matrix/federation/v2/send_join/{roomId}/{eventId}", Class::FedJoin),
    signed(GET, "/_matrix/federation/v1/make_knock/{roomId}/{userId}", Class::FedJoin),
    signed(PUT, "/_matrix/federation/v1/send_knock/{roomId}/{eventId}", Class::FedJoin),
    signed(GET, "/_matrix/federation/v1/make_leave/{roomId}/{userId}", Class::FedJoin),
    signed(PUT, "/_matrix/federation/v1/send_leave/{roomId}/{eventId}", Class::FedJoin),
    signed(PUT, "/_matrix/federation/v2/send_leave/{roomId}/{eventId}", Class::FedJoin),

    signed(PUT, "/_matrix/federation/v1/invite/{roomId}/{eventId}", Class::FedInvite),
    signed(PUT, "/_matrix/federation/v2/invite/{roomId}/{eventId}", Class::FedInvite),
    signed(PUT, "/_matrix/federation/v1/exchange_third_party_invite/{roomId}", Class::FedInvite),
    // The specification says PUT, Synapse takes POST.
    open(POST | PUT, "/_matrix/federation/v1/3pid/onbind", Class::FedInvite),

    signed(GET, "/_matrix/federation/v1/state/{roomId}", Class::FedState).optional_slash(),
    signed(GET, "/_matrix/federation/v1/state_ids/{roomId}", Class::FedState).optional_slash(),
    signed(GET, "/_matrix/federation/v1/event_auth/{roomId}/{eventId}", Class::FedState),

    signed(GET, "/_matrix/federation/v1/backfill/{roomId}", Class::FedHistory).optional_slash(),
    signed(GET, "/_matrix/federation/v1/event/{eventId}", Class::FedHistory).optional_slash(),
    signed(POST, "/_matrix/federation/v1/get_missing_events/{roomId}", Class::FedHistory),
    signed(GET, "/_matrix/federation/v1/timestamp_to_event/{roomId}", Class::FedHistory).optional_slash(),
    signed(GET, "/_matrix/federation/unstable/org.matrix.msc4370/extremities/{roomId}", Class::FedHistory),

    signed(GET, "/_matrix/federation/v1/user/devices/{userId}", Class::FedKeys),
    signed(POST, "/_matrix/federation/v1/user/keys/query", Class::FedKeys),
    signed(POST, "/_matrix/federation/v1/user/keys/claim", Class::FedKeys),
    signed(POST, "/_matrix/federation/unstable/user/keys/claim", Class::FedKeys),

    signed(GET, "/_matrix/federation/v1/query/directory", Class::FedQuery),
    signed(GET, "/_matrix/federation/v1/query/profile", Class::FedQuery),
    signed(GET, "/_matrix/federation/v1/query/{queryType}", Class::FedQuery),
    signed(GET | POST, "/_matrix/federation/v1/publicRooms", Class::FedQuery),
    signed(GET, "/_matrix/federation/v1/hierarchy/{roomId}", Class::FedQuery),
    signed(GET, "/_matrix/federation/unstable/rooms/{roomId}/complexity", Class::FedQuery),
    signed(POST, "/_matrix/federation/unstable/org.matrix.msc3720/query/account_status", Class::FedQuery),
    open(GET, "/_matrix/federation/v1/openid/userinfo", Class::FedQuery),

    signed(GET, "/_matrix/federation/v1/media/download/{mediaId}", Class::FedMedia),
    signed(GET, "/_matrix/federation/v1/media/thumbnail/{mediaId}", Class::FedMedia),
    open(GET, "/_matrix/federation/v1/version", Class::FedMeta),

    signed(GET | POST | PUT | DELETE, "/_matrix/federation/v1/rtc/livekit/*", Class::Appservice),
    signed(GET | POST | PUT | DELETE, "/_matrix/federation/unstable/{feature}/rtc/livekit/*", Class::Appservice),

    open(OPTIONS, "/_matrix/policy/*", Class::Preflight),
    open(ANY, "/_matrix/policy/*", Class::FedUnknown),
    signed(POST, "/_matrix/policy/v1/sign", Class::FedPolicy),

    key(OPTIONS, "/_matrix/key/*", Class::Preflight),
    key(ANY, "/_matrix/key/*", Class::FedUnknown),
    key(GET, "/_matrix/key/v2/server", Class::KeyOwn),
    key(GET, "/_matrix/key/v2/server/{keyId}", Class::KeyOwn),
    key(POST, "/_matrix/key/v2/query", Class::KeyNotary),
    key(GET, "/_matrix/key/v2/query/{serverName}", Class::KeyNotary),
    key(GET, "/_matrix/key/v2/query/{serverName}/{keyId}", Class::KeyNotary),
];
