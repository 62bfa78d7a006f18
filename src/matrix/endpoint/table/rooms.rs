//! The client-server API below `/rooms`, and what makes and enters rooms.

use super::super::row::{DELETE, GET, POST, PUT, Row};
use super::super::{Api, Class};
use super::{A, FIXED, R, S, V1};

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
    room(PUT, A, "/_matrix/client/{version}/rooms/{roomId}/send/{eventType}/{txnId}", Class::Send),
    room(POST, A, "/_matrix/client/{version}/rooms/{roomId}/send/{eventType}", Class::Send),
    room(PUT, A, "/_matrix/client/{version}/rooms/{roomId}/redact/{eventId}/{txnId}", Class::Send),
    room(POST, A, "/_matrix/client/{version}/rooms/{roomId}/redact/{eventId}", Class::Send),
    room(PUT, A, "/_matrix/client/{version}/rooms/{roomId}/state/{eventType}", Class::Send),
    room(PUT, A, "/_matrix/client/{version}/rooms/{roomId}/state/{eventType}/{stateKey}", Class::Send),
    room(POST, A, "/_matrix/client/{version}/createRoom", Class::Send),
    room(PUT, A, "/_matrix/client/{version}/createRoom/{txnId}", Class::Send),
    room(POST, R, "/_matrix/client/{version}/rooms/{roomId}/upgrade", Class::Send),
    room(GET, FIXED, "/_matrix/client/unstable/org.matrix.msc4140/delayed_events", Class::Send),
    room(GET | POST, FIXED, "/_matrix/client/unstable/org.matrix.msc4140/delayed_events/{delayId}", Class::Send),
    room(POST, FIXED, "/_matrix/client/unstable/org.matrix.msc4140/delayed_events/{delayId}/cancel", Class::Send),
    room(POST, FIXED, "/_matrix/client/unstable/org.matrix.msc4140/delayed_events/{delayId}/restart", Class::Send),
    room(POST, FIXED, "/_matrix/client/unstable/org.matrix.msc4140/delayed_events/{delayId}/send", Class::Send),

    // Membership
    room(POST, A, "/_matrix/client/{version}/join/{roomIdOrAlias}", Class::Membership),
    room(PUT, A, "/_matrix/client/{version}/join/{roomIdOrAlias}/{txnId}", Class::Membership),
    room(POST, R, "/_matrix/client/{version}/knock/{roomIdOrAlias}", Class::Membership),
    room(POST, A, "/_matrix/client/{version}/rooms/{roomId}/join", Class::Membership),
    room(PUT, A, "/_matrix/client/{version}/rooms/{roomId}/join/{txnId}", Class::Membership),
    room(POST, A, "/_matrix/client/{version}/rooms/{roomId}/invite", Class::Membership),
    room(PUT, A, "/_matrix/client/{version}/rooms/{roomId}/invite/{txnId}", Class::Membership),
    room(POST, A, "/_matrix/client/{version}/rooms/{roomId}/leave", Class::Membership),
    room(PUT, A, "/_matrix/client/{version}/rooms/{roomId}/leave/{txnId}", Class::Membership),
    room(POST, A, "/_matrix/client/{version}/rooms/{roomId}/ban", Class::Membership),
    room(PUT, A, "/_matrix/client/{version}/rooms/{roomId}/ban/{txnId}", Class::Membership),
    room(POST, A, "/_matrix/client/{version}/rooms/{roomId}/unban", Class::Membership),
    room(PUT, A, "/_matrix/client/{version}/rooms/{roomId}/unban/{txnId}", Class::Membership),
    room(POST, A, "/_matrix/client/{version}/rooms/{roomId}/kick", Class::Membership),
    room(PUT, A, "/_matrix/client/{version}/rooms/{roomId}/kick/{txnId}", Class::Membership),
    room(POST, A, "/_matrix/client/{version}/rooms/{roomId}/forget", Class::Membership),
    room(PUT, A, "/_matrix/client/{version}/rooms/{roomId}/forget/{txnId}", Class::Membership),

    // Reading
    room(GET, A, "/_matrix/client/{version}/rooms/{roomId}/initialSync", Class::InitialSync),
    room(GET, A, "/_matrix/client/{version}/rooms/{roomId}/messages", Class::EventRead),
    room(GET, A, "/_matrix/client/{version}/rooms/{roomId}/context/{eventId}", Class::EventRead),
    room(GET, A, "/_matrix/client/{version}/rooms/{roomId}/event/{eventId}", Class::EventRead),
    room(GET, A, "/_matrix/client/{version}/events/{eventId}", Class::EventRead),
    room(GET, A, "/_matrix/client/{version}/rooms/{roomId}/state", Class::EventRead),
    room(GET, A, "/_matrix/client/{version}/rooms/{roomId}/state/{eventType}", Class::EventRead),
    room(GET, A, "/_matrix/client/{version}/rooms/{roomId}/state/{eventType}/{stateKey}", Class::EventRead),
    room(GET, A, "/_matrix/client/{version}/rooms/{roomId}/members", Class::EventRead),
    room(GET, A, "/_matrix/client/{version}/rooms/{roomId}/joined_members", Class::EventRead),
    room(GET, A, "/_matrix/client/{version}/joined_rooms", Class::EventRead),
    room(GET, S, "/_matrix/client/{version}/rooms/{roomId}/aliases", Class::EventRead),
    room(GET, FIXED, "/_matrix/client/unstable/org.matrix.msc2432/rooms/{roomId}/aliases", Class::EventRead),
    room(GET, V1, "/_matrix/client/{version}/rooms/{roomId}/relations/{eventId}", Class::EventRead),
    room(GET, V1, "/_matrix/client/{version}/rooms/{roomId}/relations/{eventId}/{relType}", Class::EventRead),
    room(GET, V1, "/_matrix/client/{version}/rooms/{roomId}/relations/{eventId}/{relType}/{eventType}", Class::EventRead),
    room(GET, FIXED, "/_matrix/client/v1/rooms/{roomId}/hierarchy", Class::EventRead),
    room(GET, FIXED, "/_matrix/client/v1/rooms/{roomId}/threads", Class::EventRead),
    room(GET, FIXED, "/_matrix/client/v1/rooms/{roomId}/timestamp_to_event", Class::EventRead),
    room(GET, FIXED, "/_matrix/client/v1/room_summary/{roomIdOrAlias}", Class::EventRead),
    room(GET, FIXED, "/_matrix/client/unstable/im.nheko.summary/summary/{roomIdOrAlias}", Class::EventRead),
    room(GET, FIXED, "/_matrix/client/unstable/im.nheko.summary/rooms/{roomIdOrAlias}/summary", Class::EventRead),

    // Around the timeline
    room(PUT, A, "/_matrix/client/{version}/rooms/{roomId}/typing/{userId}", Class::Ephemeral),
    room(POST, R, "/_matrix/client/{version}/rooms/{roomId}/receipt/{receiptType}/{eventId}", Class::Ephemeral),
    room(POST, R, "/_matrix/client/{version}/rooms/{roomId}/read_markers", Class::Ephemeral),
    room(GET | PUT | DELETE, FIXED, "/_matrix/client/unstable/io.element.msc4306/rooms/{roomId}/thread/{eventId}/subscription", Class::AccountData),
    room(POST, FIXED, "/_matrix/client/v3/rooms/{roomId}/report", Class::Report),
    room(POST, R, "/_matrix/client/{version}/rooms/{roomId}/report/{eventId}", Class::Report),
];
