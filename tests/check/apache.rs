//! Apache in front, which decodes paths unless it is told not to in two places.

use super::deployment::{Deployment, Kind, V4, V6, stub};
use super::program::free_address;

const MODULES: &str = "/usr/lib/apache2/modules";

/// A whole Apache on port 8448 of `a.test`.
fn text(slashes: &str, pass: &str, more: &str) -> String {
    let modules = [
        "mpm_event",
        "authz_core",
        "authn_core",
        "authn_file",
        "auth_basic",
        "authz_user",
        "proxy",
        "proxy_http",
        "ssl",
        "headers",
        "socache_shmcb",
        "alias",
    ];
    let load = |module: &str| format!("LoadModule {module}_module {MODULES}/mod_{module}.so\n");
    let modules: String = modules.map(load).concat();
    format!(
        "ServerRoot $folder
User www-data
Group www-data
PidFile $folder/apache-$port.pid
ErrorLog /dev/stderr
DefaultRuntimeDir $folder
Mutex file:$folder default
ServerName a.test
{modules}
Listen $listen
StartServers 1
<VirtualHost *:*>
    ServerName a.test
    SSLEngine on
    SSLProtocol -all +TLSv1.2 +TLSv1.3
    SSLCertificateFile $folder/server.pem
    SSLCertificateKeyFile $folder/server.key
    RequestHeader set X-Forwarded-Proto https
    ProxyPreserveHost on
    {slashes}
    {pass}
    {more}
</VirtualHost>
"
    )
}

const NO_DECODE: &str = "AllowEncodedSlashes NoDecode";
const NO_CANON: &str = "ProxyPass /_matrix http://$stub/_matrix nocanon";

async fn finds(slashes: &str, pass: &str, more: &str, ids: &[&str]) {
    let mut deployment = Deployment::new().with_certificate();
    let text = text(slashes, pass, more);
    let Some(listen) = deployment.start(Kind::Apache, &text, stub().await).await else {
        return;
    };
    for address in [V4, V6] {
        deployment.route(address, 443, free_address());
        deployment.route(address, 8448, listen);
    }
    deployment.check().await.finds(ids);
}

#[tokio::test]
async fn a_healthy_one_is_clean() {
    finds(NO_DECODE, NO_CANON, "", &[]).await;
}

#[tokio::test]
async fn encoded_slashes_are_refused() {
    finds("", NO_CANON, "", &["path.refused"]).await;
}

#[tokio::test]
async fn encoded_slashes_are_decoded() {
    finds(
        "AllowEncodedSlashes On",
        NO_CANON.trim_end_matches(" nocanon"),
        "",
        &["path.decoded"],
    )
    .await;
}

#[tokio::test]
async fn paths_are_written_anew() {
    let pass = NO_CANON.trim_end_matches(" nocanon");
    finds(NO_DECODE, pass, "", &["path.merged"]).await;
}

#[tokio::test]
async fn authorization_is_stripped() {
    finds(
        NO_DECODE,
        NO_CANON,
        "RequestHeader unset Authorization",
        &["auth.stripped"],
    )
    .await;
}

#[tokio::test]
async fn everything_is_redirected() {
    finds(
        NO_DECODE,
        "Redirect permanent / https://www.a.test/",
        "",
        &["http.redirect"],
    )
    .await;
}

#[tokio::test]
async fn the_path_is_cut() {
    finds(
        NO_DECODE,
        "ProxyPass /_matrix http://$stub nocanon",
        "",
        &["path.prefix"],
    )
    .await;
}
