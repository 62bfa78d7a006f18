//! The client-server API below `/rooms`, and what makes and enters rooms.

use super::super::row::{DELETE, GET, POST, PUT, Row};
use super::super::{Api, Class};
use super::{A, FIXED, R, S, V1};
use crate::matrix::worker::{Affinity, Group};

const fn room(
    methods: u8,
    versions: &'static [&'static str],
    template: &'static str,
    class: Class,
) -> Row {
    Row::new(methods, versions, template, Api::Client, class)
}

#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    // Sending
    room(PUT, A, "/_matrix/client/{version}/rooms/{roomId}/send/{eventType}/{txnId}", Class::Send).on(Group::EventCreator, Affinity::Room),
    room(POST, A, "/_matrix/client/{version}/rooms/{roomId}/send/{eventType}", Class::Send).on(Group::EventCreator, Affinity::Room),
    room(PUT, A, "/_matrix/client/{version}/rooms/{roomId}/redact/{eventId}/{txnId}", Class::Send).on(Group::EventCreator, Affinity::Room),
    room(POST, A, "/_matrix/client/{version}/rooms/{roomId}/redact/{eventId}", Class::Send).on(Group::EventCreator, Affinity::Room),
    room(PUT, A, "/_matrix/client/{version}/rooms/{roomId}/state/{eventType}", Class::Send).on(Group::EventCreator, Affinity::Room),
    room(PUT, A, "/_matrix/client/{version}/rooms/{roomId}/state/{eventType}/{stateKey}", Class::Send).on(Group::EventCreator, Affinity::Room),
    room(POST, A, "/_matrix/client/{version}/createRoom", Class::Send).on(Group::EventCreator, Affinity::User),
    room(PUT, A, "/_matrix/client/{version}/createRoom/{txnId}", Class::Send).on(Group::EventCreator, Affinity::User),
    room(POST, R, "/_matrix/client/{version}/rooms/{roomId}/upgrade", Class::Send),
    room(GET, FIXED, "/_matrix/client/unstable/org.matrix.msc4140/delayed_events", Class::Send).on(Group::ClientReader, Affinity::None),
    room(GET, FIXED, "/_matrix/client/unstable/org.matrix.msc4140/delayed_events/{delayId}", Class::Send).on(Group::ClientReader, Affinity::None),
    room(POST, FIXED, "/_matrix/client/unstable/org.matrix.msc4140/delayed_events/{delayId}", Class::Send),
    room(POST, FIXED, "/_matrix/client/unstable/org.matrix.msc4140/delayed_events/{delayId}/cancel", Class::Send),
    room(POST, FIXED, "/_matrix/client/unstable/org.matrix.msc4140/delayed_events/{delayId}/restart", Class::Send).on(Group::ClientReader, Affinity::None),
    room(POST, FIXED, "/_matrix/client/unstable/org.matrix.msc4140/delayed_events/{delayId}/send", Class::Send),

    // Membership
    room(POST, A, "/_matrix/client/{version}/join/{roomIdOrAlias}", Class::Membership).on(Group::EventCreator, Affinity::Room),
    room(PUT, A, "/_matrix/client/{version}/join/{roomIdOrAlias}/{txnId}", Class::Membership).on(Group::EventCreator, Affinity::Room),
    room(POST, R, "/_matrix/client/{version}/knock/{roomIdOrAlias}", Class::Membership).on(Group::EventCreator, Affinity::Room),
    room(POST, A, "/_matrix/client/{version}/rooms/{roomId}/join", Class::Membership).on(Group::EventCreator, Affinity::Room),
    room(PUT, A, "/_matrix/client/{version}/rooms/{roomId}/join/{txnId}", Class::Membership).on(Group::EventCreator, Affinity::Room),
    room(POST, A, "/_matrix/client/{version}/rooms/{roomId}/invite", Class::Membership).on(Group::EventCreator, Affinity::Room),
    room(PUT, A, "/_matrix/client/{version}/rooms/{roomId}/invite/{txnId}", Class::Membership).on(Group::EventCreator, Affinity::Room),
    room(POST, A, "/_matrix/client/{version}/rooms/{roomId}/leave", Class::Membership).on(Group::EventCreator, Affinity::Room),
    room(PUT, A, "/_matrix/client/{version}/rooms/{roomId}/leave/{txnId}", Class::Membership).on(Group::EventCreator, Affinity::Room),
    room(POST, A, "/_matrix/client/{version}/rooms/{roomId}/ban", Class::Membership).on(Group::EventCreator, Affinity::Room),
    room(PUT, A, "/_matrix/client/{version}/rooms/{roomId}/ban/{txnId}", Class::Membership).on(Group::EventCreator, Affinity::Room),
    room(POST, A, "/_matrix/client/{version}/rooms/{roomId}/unban", Class::Membership).on(Group::EventCreator, Affinity::Room),
    room(PUT, A, "/_matrix/client/{version}/rooms/{roomId}/unban/{txnId}", Class::Membership).on(Group::EventCreator, Affinity::Room),
    room(POST, A, "/_matrix/client/{version}/rooms/{roomId}/kick", Class::Membership).on(Group::EventCreator, Affinity::Room),
    room(PUT, A, "/_matrix/client/{version}/rooms/{roomId}/kick/{txnId}", Class::Membership).on(Group::EventCreator, Affinity::Room),
    room(POST, A, "/_matrix/client/{version}/rooms/{roomId}/forget", Class::Membership),
    room(PUT, A, "/_matrix/client/{version}/rooms/{roomId}/forget/{txnId}", Class::Membership),

    // Reading
    room(GET, A, "/_matrix/client/{version}/rooms/{roomId}/initialSync", Class::InitialSync).on(Group::InitialSynchrotron, Affinity::User),
    room(GET, A, "/_matrix/client/{version}/rooms/{roomId}/messages", Class::EventRead).on(Group::ClientReader, Affinity::Room),
    room(GET, A, "/_matrix/client/{version}/rooms/{roomId}/context/{eventId}", Class::EventRead).on(Group::ClientReader, Affinity::Room),
    room(GET, A, "/_matrix/client/{version}/rooms/{roomId}/event/{eventId}", Class::EventRead).on(Group::ClientReader, Affinity::Room),
    room(GET, A, "/_matrix/client/{version}/events/{eventId}", Class::EventRead).on(Group::ClientReader, Affinity::None),
    room(GET, A, "/_matrix/client/{version}/rooms/{roomId}/state", Class::EventRead).on(Group::ClientReader, Affinity::Room),
    room(GET, A, "/_matrix/client/{version}/rooms/{roomId}/state/{eventType}", Class::EventRead).on(Group::ClientReader, Affinity::Room),
    room(GET, A, "/_matrix/client/{version}/rooms/{roomId}/state/{eventType}/{stateKey}", Class::EventRead).on(Group::ClientReader, Affinity::Room),
    room(GET, A, "/_matrix/client/{version}/rooms/{roomId}/members", Class::EventRead).on(Group::ClientReader, Affinity::Room),
    room(GET, A, "/_matrix/client/{version}/rooms/{roomId}/joined_members", Class::EventRead).on(Group::ClientReader, Affinity::Room),
    room(GET, A, "/_matrix/client/{version}/joined_rooms", Class::EventRead).on(Group::ClientReader, Affinity::None),
    room(GET, S, "/_matrix/client/{version}/rooms/{roomId}/aliases", Class::EventRead).on(Group::ClientReader, Affinity::Room),
    room(GET, FIXED, "/_matrix/client/unstable/org.matrix.msc2432/rooms/{roomId}/aliases", Class::EventRead).on(Group::ClientReader, Affinity::Room),
    room(GET, V1, "/_matrix/client/{version}/rooms/{roomId}/relations/{eventId}", Class::EventRead).on(Group::ClientReader, Affinity::Room),
    room(GET, V1, "/_matrix/client/{version}/rooms/{roomId}/relations/{eventId}/{relType}", Class::EventRead).on(Group::ClientReader, Affinity::Room),
    room(GET, V1, "/_matrix/client/{version}/rooms/{roomId}/relations/{eventId}/{relType}/{eventType}", Class::EventRead).on(Group::ClientReader, Affinity::Room),
    room(GET, FIXED, "/_matrix/client/v1/rooms/{roomId}/hierarchy", Class::EventRead).on(Group::ClientReader, Affinity::Room),
    room(GET, FIXED, "/_matrix/client/v1/rooms/{roomId}/threads", Class::EventRead).on(Group::ClientReader, Affinity::Room),
    room(GET, FIXED, "/_matrix/client/v1/rooms/{roomId}/timestamp_to_event", Class::EventRead).on(Group::ClientReader, Affinity::Room),
    room(GET, FIXED, "/_matrix/client/v1/room_summary/{roomIdOrAlias}", Class::EventRead).on(Group::ClientReader, Affinity::Room),
    room(GET, FIXED, "/_matrix/client/unstable/im.nheko.summary/summary/{roomIdOrAlias}", Class::EventRead).on(Group::ClientReader, Affinity::Room),
    room(GET, FIXED, "/_matrix/client/unstable/im.nheko.summary/rooms/{roomIdOrAlias}/summary", Class::EventRead).on(Group::ClientReader, Affinity::Room),

    // Around the timeline
    room(PUT, A, "/_matrix/client/{version}/rooms/{roomId}/typing/{userId}", Class::Ephemeral).on(Group::Typing, Affinity::Room),
    room(POST, R, "/_matrix/client/{version}/rooms/{roomId}/receipt/{receiptType}/{eventId}", Class::Ephemeral).on(Group::Receipts, Affinity::Room),
    room(POST, R, "/_matrix/client/{version}/rooms/{roomId}/read_markers", Class::Ephemeral).on(Group::Receipts, Affinity::Room),
    room(GET, FIXED, "/_matrix/client/unstable/io.element.msc4306/rooms/{roomId}/thread/{eventId}/subscription", Class::AccountData).on(Group::ClientReader, Affinity::None),
    room(PUT | DELETE, FIXED, "/_matrix/client/unstable/io.element.msc4306/rooms/{roomId}/thread/{eventId}/subscription", Class::AccountData).on(Group::ThreadSubscriptions, Affinity::User),
    room(POST, FIXED, "/_matrix/client/v3/rooms/{roomId}/report", Class::Report),
    room(POST, R, "/_matrix/client/{version}/rooms/{roomId}/report/{eventId}", Class::Report),
];
