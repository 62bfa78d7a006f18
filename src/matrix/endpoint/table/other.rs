//! Media, well-known documents, Synapse's own resources, and the APIs of other
//! Matrix programs that may live behind the same names.

use super::super::row::{ANY, GET, OPTIONS, POST, PUT, Row};
use super::super::{Api, Class};
use super::FIXED;
use crate::matrix::worker::{Affinity, Group};

const MEDIA_VERSIONS: &[&str] = &["r0", "v3", "v1"];

const fn media(methods: u8, template: &'static str, class: Class) -> Row {
    Row::new(methods, MEDIA_VERSIONS, template, Api::Media, class)
}

const fn well_known(methods: u8, template: &'static str) -> Row {
    Row::new(methods, FIXED, template, Api::WellKnown, Class::WellKnown)
}

const fn page(methods: u8, template: &'static str, api: Api) -> Row {
    Row::new(methods, FIXED, template, api, Class::Page)
}

/// For a neighbour of the homeserver.
const fn internal(methods: u8, template: &'static str) -> Row {
    Row::new(
        methods,
        FIXED,
        template,
        Api::SynapseInternal,
        Class::Internal,
    )
}

/// What a homeserver calls on an application service.
const fn appservice(methods: u8, template: &'static str) -> Row {
    Row::new(methods, FIXED, template, Api::Appservice, Class::Appservice)
}

const fn identity(methods: u8, template: &'static str) -> Row {
    Row::new(methods, FIXED, template, Api::Identity, Class::Identity)
}

#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    Row::new(ANY, FIXED, "/*", Api::Other, Class::Unknown),
    Row::new(OPTIONS, FIXED, "/_matrix/*", Api::Other, Class::Preflight),
    Row::new(ANY, FIXED, "/_matrix/*", Api::Other, Class::Unknown),

    // The content repository before authenticated media
    Row::new(OPTIONS, FIXED, "/_matrix/media/*", Api::Media, Class::Preflight),
    Row::new(ANY, FIXED, "/_matrix/media/*", Api::Media, Class::Unknown).on(Group::MediaRepository, Affinity::None),
    media(POST, "/_matrix/media/{version}/upload", Class::MediaUpload).on(Group::MediaRepository, Affinity::None),
    Row::new(PUT, FIXED, "/_matrix/media/v3/upload/{serverName}/{mediaId}", Api::Media, Class::MediaUpload).on(Group::MediaRepository, Affinity::Media),
    Row::new(POST, FIXED, "/_matrix/media/v1/create", Api::Media, Class::MediaOther).on(Group::MediaRepository, Affinity::None),
    media(GET, "/_matrix/media/{version}/config", Class::MediaOther).on(Group::MediaRepository, Affinity::None),
    media(GET, "/_matrix/media/{version}/preview_url", Class::MediaDownload).on(Group::MediaRepository, Affinity::Target),
    media(GET, "/_matrix/media/{version}/download/{serverName}/{mediaId}", Class::MediaDownload).on(Group::MediaRepository, Affinity::Media),
    media(GET, "/_matrix/media/{version}/download/{serverName}/{mediaId}/{fileName}", Class::MediaDownload).on(Group::MediaRepository, Affinity::Media),
    media(GET, "/_matrix/media/{version}/thumbnail/{serverName}/{mediaId}", Class::MediaDownload).on(Group::MediaRepository, Affinity::Media),

    // Documents about a server name
    Row::new(OPTIONS, FIXED, "/.well-known/matrix/*", Api::WellKnown, Class::Preflight),
    Row::new(ANY, FIXED, "/.well-known/matrix/*", Api::WellKnown, Class::Unknown),
    well_known(GET, "/.well-known/matrix/server").on(Group::ClientReader, Affinity::None),
    well_known(GET, "/.well-known/matrix/client").on(Group::ClientReader, Affinity::None),
    well_known(GET, "/.well-known/matrix/support"),
    well_known(GET, "/.well-known/matrix/policy_server"),

    // Pages of Synapse for browsers
    page(GET, "/_matrix/static/*", Api::Static),
    page(GET | POST, "/_matrix/consent", Api::Static),
    page(GET, "/_matrix/saml2/metadata.xml", Api::Static).on(Group::SsoLogin, Affinity::None),
    page(GET | POST, "/_matrix/saml2/authn_response", Api::Static).single_use().on(Group::SsoLogin, Affinity::None),
    Row::new(OPTIONS, FIXED, "/_synapse/client/*", Api::SynapseClient, Class::Preflight),
    Row::new(ANY, FIXED, "/_synapse/client/*", Api::SynapseClient, Class::Unknown),
    page(GET, "/_synapse/client/pick_idp", Api::SynapseClient).on(Group::SsoLogin, Affinity::None),
    page(GET, "/_synapse/client/pick_username", Api::SynapseClient).on(Group::SsoLogin, Affinity::None),
    page(GET | POST, "/_synapse/client/pick_username/account_details", Api::SynapseClient).on(Group::SsoLogin, Affinity::None),
    page(GET, "/_synapse/client/pick_username/check", Api::SynapseClient).on(Group::SsoLogin, Affinity::None),
    page(GET | POST, "/_synapse/client/new_user_consent", Api::SynapseClient).on(Group::SsoLogin, Affinity::None),
    page(GET, "/_synapse/client/sso_register", Api::SynapseClient).single_use().on(Group::SsoLogin, Affinity::None),
    page(GET | POST, "/_synapse/client/unsubscribe", Api::SynapseClient).on(Group::ClientReader, Affinity::None),
    page(GET | POST, "/_synapse/client/oidc/callback", Api::SynapseClient).single_use().on(Group::SsoLogin, Affinity::None),
    page(POST, "/_synapse/client/oidc/backchannel_logout", Api::SynapseClient).on(Group::SsoLogin, Affinity::None),
    page(GET, "/_synapse/client/saml2/metadata.xml", Api::SynapseClient).on(Group::SsoLogin, Affinity::None),
    page(GET | POST, "/_synapse/client/saml2/authn_response", Api::SynapseClient).single_use().on(Group::SsoLogin, Affinity::None),
    page(GET | POST, "/_synapse/client/password_reset/email/submit_token", Api::SynapseClient).single_use(),
    page(GET, "/_synapse/client/media_upload_limit_exceeded", Api::SynapseClient).on(Group::ClientReader, Affinity::None),
    page(GET, "/_synapse/client/v1/config/federation_whitelist", Api::SynapseClient).on(Group::ClientReader, Affinity::None),
    Row::new(ANY, FIXED, "/_synapse/client/rendezvous/{sessionId}", Api::SynapseClient, Class::Rendezvous),

    // Between the homeserver and its neighbours
    internal(ANY, "/_synapse/*"),
    internal(ANY, "/_synapse/mas/*").on(Group::GenericWorker, Affinity::None).hold(20),
    internal(ANY, "/_synapse/metrics"),
    internal(ANY, "/_synapse/replication/*"),
    internal(GET, "/_synapse/ess/version"),
    internal(GET, "/health"),

    // Application services
    appservice(ANY, "/_matrix/app/*"),
    appservice(POST, "/_matrix/app/v1/ping"),
    appservice(PUT, "/_matrix/app/v1/transactions/{txnId}"),
    appservice(GET, "/_matrix/app/v1/rooms/{roomAlias}"),
    appservice(GET, "/_matrix/app/v1/users/{userId}"),
    appservice(GET, "/_matrix/app/v1/thirdparty/location"),
    appservice(GET, "/_matrix/app/v1/thirdparty/location/{protocol}"),
    appservice(GET, "/_matrix/app/v1/thirdparty/protocol/{protocol}"),
    appservice(GET, "/_matrix/app/v1/thirdparty/user"),
    appservice(GET, "/_matrix/app/v1/thirdparty/user/{protocol}"),

    // Identity servers
    Row::new(OPTIONS, FIXED, "/_matrix/identity/*", Api::Identity, Class::Preflight),
    identity(ANY, "/_matrix/identity/*"),
    identity(GET, "/_matrix/identity/versions"),
    identity(GET, "/_matrix/identity/v2"),
    identity(GET, "/_matrix/identity/v2/account"),
    identity(POST, "/_matrix/identity/v2/account/logout"),
    identity(POST, "/_matrix/identity/v2/account/register"),
    identity(GET | POST, "/_matrix/identity/v2/terms"),
    identity(GET, "/_matrix/identity/v2/hash_details"),
    identity(POST, "/_matrix/identity/v2/lookup"),
    identity(GET, "/_matrix/identity/v2/pubkey/isvalid"),
    identity(GET, "/_matrix/identity/v2/pubkey/ephemeral/isvalid"),
    identity(GET, "/_matrix/identity/v2/pubkey/{keyId}"),
    identity(POST, "/_matrix/identity/v2/sign-ed25519"),
    identity(POST, "/_matrix/identity/v2/store-invite"),
    identity(POST, "/_matrix/identity/v2/3pid/bind"),
    identity(POST, "/_matrix/identity/v2/3pid/unbind"),
    identity(GET, "/_matrix/identity/v2/3pid/getValidated3pid"),
    identity(POST, "/_matrix/identity/v2/validate/email/requestToken"),
    identity(GET | POST, "/_matrix/identity/v2/validate/email/submitToken").single_use(),
    identity(POST, "/_matrix/identity/v2/validate/msisdn/requestToken"),
    identity(GET | POST, "/_matrix/identity/v2/validate/msisdn/submitToken").single_use(),

    // Push gateways
    Row::new(ANY, FIXED, "/_matrix/push/*", Api::Push, Class::Push),
    Row::new(POST, FIXED, "/_matrix/push/v1/notify", Api::Push, Class::Push),
];
