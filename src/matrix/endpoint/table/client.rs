//! The client-server API, except what is below `/rooms`.

use super::super::row::{ANY, DELETE, GET, OPTIONS, POST, PUT, Row};
use super::super::{Api, Class};
use super::{A, FIXED, R, V1, V3};
use crate::matrix::initial_sync::Split;
use crate::matrix::worker::{Affinity, Group};

const fn client(
    methods: u8,
    versions: &'static [&'static str],
    template: &'static str,
    class: Class,
) -> Row {
    Row::new(methods, versions, template, Api::Client, class)
}

#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    client(OPTIONS, FIXED, "/_matrix/client/*", Class::Preflight),
    client(ANY, FIXED, "/_matrix/client/*", Class::Unknown),

    // The server itself
    client(GET, FIXED, "/_matrix/client/versions", Class::ClientMeta).on(Group::ClientReader, Affinity::None),
    client(GET, R, "/_matrix/client/{version}/capabilities", Class::ClientMeta).on(Group::ClientReader, Affinity::None),
    client(GET, FIXED, "/_matrix/client/v1/auth_metadata", Class::ClientMeta).on(Group::ClientReader, Affinity::None),
    client(GET, FIXED, "/_matrix/client/unstable/auth_metadata", Class::ClientMeta).on(Group::ClientReader, Affinity::None),
    client(GET, FIXED, "/_matrix/client/unstable/org.matrix.msc2965/auth_metadata", Class::ClientMeta).on(Group::ClientReader, Affinity::None),
    client(GET, R, "/_matrix/client/{version}/password_policy", Class::ClientMeta).on(Group::Login, Affinity::None),
    client(GET, A, "/_matrix/client/{version}/voip/turnServer", Class::ClientMeta).on(Group::ClientReader, Affinity::None),
    client(GET, FIXED, "/_matrix/client/unstable/org.matrix.msc4143/rtc/transports", Class::ClientMeta).on(Group::ClientReader, Affinity::None),
    client(GET, FIXED, "/_matrix/client/unstable/org.matrix.msc1763/retention/configuration", Class::ClientMeta).on(Group::ClientReader, Affinity::None),

    // Login and registration
    client(GET | POST, A, "/_matrix/client/{version}/login", Class::Login).on(Group::Login, Affinity::None).mas_compat(),
    client(POST, FIXED, "/_matrix/client/v1/login/get_token", Class::Login),
    client(POST, FIXED, "/_matrix/client/unstable/org.matrix.msc3882/login/token", Class::Login),
    client(GET, A, "/_matrix/client/{version}/login/sso/redirect", Class::Login).single_use().on(Group::SsoLogin, Affinity::None).mas_compat(),
    client(GET, A, "/_matrix/client/{version}/login/sso/redirect/{idpId}", Class::Login).single_use().on(Group::SsoLogin, Affinity::None).mas_compat(),
    client(GET, A, "/_matrix/client/{version}/login/cas/redirect", Class::Login).single_use().on(Group::SsoLogin, Affinity::None),
    client(GET, A, "/_matrix/client/{version}/login/cas/ticket", Class::Login).single_use().on(Group::SsoLogin, Affinity::None),
    client(POST, A, "/_matrix/client/{version}/logout", Class::Login).mas_compat(),
    client(POST, A, "/_matrix/client/{version}/logout/all", Class::Login).mas_compat(),
    client(POST, R, "/_matrix/client/{version}/refresh", Class::Login).mas_compat(),
    client(POST, R, "/_matrix/client/{version}/tokenrefresh", Class::Login),
    client(GET | POST, R, "/_matrix/client/{version}/auth/{stageType}/fallback/web", Class::Login),
    client(POST, R, "/_matrix/client/{version}/register", Class::Register).on(Group::Login, Affinity::None),
    client(GET, R, "/_matrix/client/{version}/register/available", Class::Register).on(Group::Login, Affinity::None),
    client(POST, R, "/_matrix/client/{version}/register/email/requestToken", Class::Register),
    client(POST, R, "/_matrix/client/{version}/register/msisdn/requestToken", Class::Register),
    client(GET, V1, "/_matrix/client/{version}/register/m.login.registration_token/validity", Class::Register).on(Group::Login, Affinity::None),
    client(GET, FIXED, "/_matrix/client/unstable/registration/{medium}/submit_token", Class::Register).single_use(),
    client(POST, FIXED, "/_matrix/client/unstable/org.matrix.msc4108/rendezvous", Class::Rendezvous),
    client(GET | POST, FIXED, "/_matrix/client/unstable/io.element.msc4388/rendezvous", Class::Rendezvous),
    client(GET | PUT | DELETE, FIXED, "/_matrix/client/unstable/io.element.msc4388/rendezvous/{rendezvousId}", Class::Rendezvous),

    // The account and its devices
    client(GET, R, "/_matrix/client/{version}/account/whoami", Class::Account).on(Group::ClientReader, Affinity::None),
    client(POST, R, "/_matrix/client/{version}/account/deactivate", Class::Account).on(Group::ClientReader, Affinity::None),
    client(POST, R, "/_matrix/client/{version}/account/password", Class::Account),
    client(POST, R, "/_matrix/client/{version}/account/password/email/requestToken", Class::Account),
    client(POST, R, "/_matrix/client/{version}/account/password/msisdn/requestToken", Class::Account),
    client(GET | POST, R, "/_matrix/client/{version}/account/3pid", Class::Account).on(Group::ClientReader, Affinity::None),
    client(POST, R, "/_matrix/client/{version}/account/3pid/add", Class::Account),
    client(POST, R, "/_matrix/client/{version}/account/3pid/bind", Class::Account),
    client(POST, R, "/_matrix/client/{version}/account/3pid/delete", Class::Account),
    client(POST, R, "/_matrix/client/{version}/account/3pid/unbind", Class::Account),
    client(POST, R, "/_matrix/client/{version}/account/3pid/email/requestToken", Class::Account),
    client(POST, R, "/_matrix/client/{version}/account/3pid/msisdn/requestToken", Class::Account),
    client(GET, FIXED, "/_matrix/client/unstable/add_threepid/email/submit_token", Class::Account).single_use(),
    client(POST, FIXED, "/_matrix/client/unstable/add_threepid/msisdn/submit_token", Class::Account),
    client(GET, R, "/_matrix/client/{version}/account_validity/renew", Class::Account).single_use(),
    client(POST, R, "/_matrix/client/{version}/account_validity/send_mail", Class::Account),
    client(POST, FIXED, "/_matrix/client/unstable/org.matrix.msc3720/account_status", Class::Account).on(Group::ClientReader, Affinity::None),
    client(GET, R, "/_matrix/client/{version}/devices", Class::Account).on(Group::ClientReader, Affinity::None),
    client(GET, R, "/_matrix/client/{version}/devices/{deviceId}", Class::Account).on(Group::ClientReader, Affinity::None),
    client(PUT | DELETE, R, "/_matrix/client/{version}/devices/{deviceId}", Class::Account).on(Group::DeviceLists, Affinity::User),
    client(POST, R, "/_matrix/client/{version}/delete_devices", Class::Account).on(Group::DeviceLists, Affinity::User),
    client(POST, R, "/_matrix/client/{version}/user/{userId}/openid/request_token", Class::Account),
    client(GET, A, "/_matrix/client/{version}/admin/whois/{userId}", Class::Admin),
    client(GET | PUT, FIXED, "/_matrix/client/v1/admin/lock/{userId}", Class::Admin),
    client(GET | PUT, FIXED, "/_matrix/client/v1/admin/suspend/{userId}", Class::Admin),

    // Sync
    client(GET, R, "/_matrix/client/{version}/sync", Class::Sync).on(Group::Synchrotron, Affinity::User).split(Split::Since),
    client(GET, A, "/_matrix/client/{version}/events", Class::Sync).on(Group::Synchrotron, Affinity::User),
    client(POST, FIXED, "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync", Class::Sync).on(Group::SlidingSync, Affinity::User).split(Split::Pos),
    client(GET, A, "/_matrix/client/{version}/initialSync", Class::InitialSync).on(Group::InitialSynchrotron, Affinity::User),

    // Encryption
    client(GET, R, "/_matrix/client/{version}/keys/changes", Class::Keys).on(Group::ClientReader, Affinity::None),
    client(POST, R, "/_matrix/client/{version}/keys/claim", Class::Keys).on(Group::ClientReader, Affinity::None),
    client(POST, FIXED, "/_matrix/client/unstable/org.matrix.msc3983/keys/claim", Class::Keys).on(Group::ClientReader, Affinity::None),
    client(POST, R, "/_matrix/client/{version}/keys/query", Class::Keys).on(Group::ClientReader, Affinity::None),
    client(POST, R, "/_matrix/client/{version}/keys/upload", Class::Keys).on(Group::DeviceLists, Affinity::User),
    client(POST, R, "/_matrix/client/{version}/keys/upload/{deviceId}", Class::Keys).on(Group::DeviceLists, Affinity::User),
    client(POST, V3, "/_matrix/client/{version}/keys/device_signing/upload", Class::Keys).on(Group::DeviceLists, Affinity::User),
    client(POST, R, "/_matrix/client/{version}/keys/signatures/upload", Class::Keys).on(Group::DeviceLists, Affinity::User),
    client(GET | PUT | DELETE, R, "/_matrix/client/{version}/room_keys/keys", Class::Keys).on(Group::ClientReader, Affinity::User),
    client(GET | PUT | DELETE, R, "/_matrix/client/{version}/room_keys/keys/{roomId}", Class::Keys).on(Group::ClientReader, Affinity::User),
    client(GET | PUT | DELETE, R, "/_matrix/client/{version}/room_keys/keys/{roomId}/{sessionId}", Class::Keys).on(Group::ClientReader, Affinity::User),
    client(GET | POST, R, "/_matrix/client/{version}/room_keys/version", Class::Keys).on(Group::ClientReader, Affinity::User),
    client(GET | PUT | DELETE, R, "/_matrix/client/{version}/room_keys/version/{version}", Class::Keys).on(Group::ClientReader, Affinity::User),
    client(PUT, R, "/_matrix/client/{version}/sendToDevice/{eventType}/{txnId}", Class::ToDevice).on(Group::ToDevice, Affinity::User),
    client(GET, FIXED, "/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device", Class::Keys).on(Group::ClientReader, Affinity::None),
    client(PUT | DELETE, FIXED, "/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device", Class::Keys).on(Group::DeviceLists, Affinity::User),
    client(GET | POST, FIXED, "/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device/{deviceId}/events", Class::Keys).on(Group::ClientReader, Affinity::None),

    // What a user keeps on the server
    client(GET, R, "/_matrix/client/{version}/user/{userId}/account_data/{type}", Class::AccountData).on(Group::ClientReader, Affinity::None),
    client(PUT, R, "/_matrix/client/{version}/user/{userId}/account_data/{type}", Class::AccountData).on(Group::AccountData, Affinity::User),
    client(DELETE, FIXED, "/_matrix/client/unstable/org.matrix.msc3391/user/{userId}/account_data/{type}", Class::AccountData).on(Group::AccountData, Affinity::User),
    client(GET, R, "/_matrix/client/{version}/user/{userId}/rooms/{roomId}/account_data/{type}", Class::AccountData).on(Group::ClientReader, Affinity::None),
    client(PUT, R, "/_matrix/client/{version}/user/{userId}/rooms/{roomId}/account_data/{type}", Class::AccountData).on(Group::AccountData, Affinity::User),
    client(DELETE, FIXED, "/_matrix/client/unstable/org.matrix.msc3391/user/{userId}/rooms/{roomId}/account_data/{type}", Class::AccountData).on(Group::AccountData, Affinity::User),
    client(GET, R, "/_matrix/client/{version}/user/{userId}/rooms/{roomId}/tags", Class::AccountData).on(Group::ClientReader, Affinity::None),
    client(PUT | DELETE, R, "/_matrix/client/{version}/user/{userId}/rooms/{roomId}/tags/{tag}", Class::AccountData).on(Group::AccountData, Affinity::User),
    client(POST, R, "/_matrix/client/{version}/user/{userId}/filter", Class::AccountData).on(Group::ClientReader, Affinity::None),
    client(GET, R, "/_matrix/client/{version}/user/{userId}/filter/{filterId}", Class::AccountData).on(Group::ClientReader, Affinity::None),
    client(GET, FIXED, "/_matrix/client/unstable/io.element.msc4308/thread_subscriptions", Class::AccountData).on(Group::ClientReader, Affinity::None),
    client(GET, A, "/_matrix/client/{version}/presence/{userId}/status", Class::Presence).on(Group::ClientReader, Affinity::None),
    client(PUT, A, "/_matrix/client/{version}/presence/{userId}/status", Class::Presence).on(Group::Presence, Affinity::User),
    client(GET, A, "/_matrix/client/{version}/profile/{userId}", Class::Profile).on(Group::EventCreator, Affinity::None),
    client(GET, A, "/_matrix/client/{version}/profile/{userId}/{keyName}", Class::Profile).on(Group::EventCreator, Affinity::None),
    client(PUT | DELETE, A, "/_matrix/client/{version}/profile/{userId}/{keyName}", Class::Profile).on(Group::EventCreator, Affinity::User),
    client(GET, FIXED, "/_matrix/client/unstable/uk.tcpip.msc4133/profile/{userId}/{keyName}", Class::Profile).on(Group::EventCreator, Affinity::None),
    client(PUT | DELETE, FIXED, "/_matrix/client/unstable/uk.tcpip.msc4133/profile/{userId}/{keyName}", Class::Profile).on(Group::EventCreator, Affinity::User),

    // Push
    client(GET, A, "/_matrix/client/{version}/pushrules/", Class::Push).on(Group::ClientReader, Affinity::None),
    client(GET, A, "/_matrix/client/{version}/pushrules/global/", Class::Push).on(Group::ClientReader, Affinity::None),
    client(GET, A, "/_matrix/client/{version}/pushrules/global/{kind}/{ruleId}", Class::Push).on(Group::ClientReader, Affinity::None),
    client(PUT | DELETE, A, "/_matrix/client/{version}/pushrules/global/{kind}/{ruleId}", Class::Push).on(Group::PushRules, Affinity::User),
    client(GET, A, "/_matrix/client/{version}/pushrules/global/{kind}/{ruleId}/actions", Class::Push).on(Group::ClientReader, Affinity::None),
    client(PUT, A, "/_matrix/client/{version}/pushrules/global/{kind}/{ruleId}/actions", Class::Push).on(Group::PushRules, Affinity::User),
    client(GET, A, "/_matrix/client/{version}/pushrules/global/{kind}/{ruleId}/enabled", Class::Push).on(Group::ClientReader, Affinity::None),
    client(PUT, A, "/_matrix/client/{version}/pushrules/global/{kind}/{ruleId}/enabled", Class::Push).on(Group::PushRules, Affinity::User),
    client(GET, A, "/_matrix/client/{version}/pushrules/*", Class::Push).on(Group::ClientReader, Affinity::None),
    client(PUT | DELETE, A, "/_matrix/client/{version}/pushrules/*", Class::Push).on(Group::PushRules, Affinity::User),
    client(GET, A, "/_matrix/client/{version}/pushers", Class::Push),
    client(POST, A, "/_matrix/client/{version}/pushers/set", Class::Push),
    client(GET, FIXED, "/_matrix/client/unstable/pushers/remove", Class::Push).single_use(),
    client(GET, R, "/_matrix/client/{version}/notifications", Class::Push).on(Group::ClientReader, Affinity::None),

    // Finding rooms, people and networks
    client(GET | POST, A, "/_matrix/client/{version}/publicRooms", Class::Directory).on(Group::ClientReader, Affinity::None),
    client(GET | PUT | DELETE, A, "/_matrix/client/{version}/directory/room/{roomAlias}", Class::Directory).on(Group::ClientReader, Affinity::None),
    client(GET | PUT, A, "/_matrix/client/{version}/directory/list/room/{roomId}", Class::Directory),
    client(PUT | DELETE, A, "/_matrix/client/{version}/directory/list/appservice/{networkId}/{roomId}", Class::Directory),
    client(POST, R, "/_matrix/client/{version}/user_directory/search", Class::Directory).on(Group::UserDir, Affinity::None),
    client(POST, A, "/_matrix/client/{version}/search", Class::Directory).on(Group::ClientReader, Affinity::None),
    client(GET, V1, "/_matrix/client/{version}/mutual_rooms", Class::Directory),
    client(GET, R, "/_matrix/client/{version}/thirdparty/protocols", Class::Directory),
    client(GET, R, "/_matrix/client/{version}/thirdparty/protocol/{protocol}", Class::Directory),
    client(GET, R, "/_matrix/client/{version}/thirdparty/location", Class::Directory),
    client(GET, R, "/_matrix/client/{version}/thirdparty/location/{protocol}", Class::Directory),
    client(GET, R, "/_matrix/client/{version}/thirdparty/user", Class::Directory),
    client(GET, R, "/_matrix/client/{version}/thirdparty/user/{protocol}", Class::Directory),
    client(POST, FIXED, "/_matrix/client/v3/users/{userId}/report", Class::Report),

    // Authenticated media
    client(GET, FIXED, "/_matrix/client/v1/media/config", Class::MediaOther).on(Group::MediaRepository, Affinity::None),
    client(GET, FIXED, "/_matrix/client/v1/media/preview_url", Class::MediaDownload).on(Group::MediaRepository, Affinity::Target),
    client(GET, FIXED, "/_matrix/client/v1/media/download/{serverName}/{mediaId}", Class::MediaDownload).on(Group::MediaRepository, Affinity::Media),
    client(GET, FIXED, "/_matrix/client/v1/media/download/{serverName}/{mediaId}/{fileName}", Class::MediaDownload).on(Group::MediaRepository, Affinity::Media),
    client(GET, FIXED, "/_matrix/client/v1/media/thumbnail/{serverName}/{mediaId}", Class::MediaDownload).on(Group::MediaRepository, Affinity::Media),

    // Application services
    client(POST, V1, "/_matrix/client/{version}/appservice/{appserviceId}/ping", Class::Appservice).on(Group::GenericWorker, Affinity::None),
    client(POST, FIXED, "/_matrix/client/unstable/io.element.msc4512/appservice/fed_proxy", Class::Appservice).on(Group::GenericWorker, Affinity::None),
    client(GET, FIXED, "/_matrix/client/unstable/io.element.msc4502/rooms/{roomId}/is_joined", Class::Appservice).on(Group::GenericWorker, Affinity::None),
    client(GET | POST | PUT | DELETE, &["v1", "v3"], "/_matrix/client/{version}/rtc/livekit/*", Class::Appservice).on(Group::GenericWorker, Affinity::None),
    client(GET | POST | PUT | DELETE, FIXED, "/_matrix/client/unstable/{feature}/rtc/livekit/*", Class::Appservice).on(Group::GenericWorker, Affinity::None),
];
