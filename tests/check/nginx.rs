//! nginx in front, with the mistakes that people make there.

use std::net::SocketAddr;

use super::authority::Wanted;
use super::deployment::{Deployment, Kind, stub};
use super::homeserver::Homeserver;
use super::report::Report;

/// A whole nginx for `a.test`; each part can be replaced.
#[derive(Clone)]
pub(crate) struct Nginx {
    /// Of all servers: certificates, protocols.
    pub(crate) tls: String,
    /// On `a.test`.
    pub(crate) server_document: String,
    pub(crate) client_document: String,
    /// On `matrix.a.test`.
    pub(crate) matrix: String,
    pub(crate) listen: String,
}

const PROXY: &str =
    "proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto $scheme; proxy_http_version 1.1; client_max_body_size 50M;";

impl Default for Nginx {
    fn default() -> Self {
        Self {
            tls: "ssl_certificate server.pem; ssl_certificate_key server.key;
                  ssl_protocols TLSv1.2 TLSv1.3;"
                .to_owned(),
            server_document: document("{\"m.server\": \"matrix.a.test:443\"}"),
            client_document: "location = /.well-known/matrix/client {
                default_type application/json; add_header Access-Control-Allow-Origin '*';
                return 200 '{\"m.homeserver\": {\"base_url\": \"https://matrix.a.test\"}}'; }"
                .to_owned(),
            matrix: location(""),
            listen: "listen $listen ssl http2;".to_owned(),
        }
    }
}

/// A document for servers.
pub(crate) fn document(body: &str) -> String {
    format!(
        "location = /.well-known/matrix/server {{
            default_type application/json; add_header Cache-Control 'public, max-age=3600';
            return 200 '{body}'; }}"
    )
}

/// What Synapse's documentation gives, with something more.
pub(crate) fn location(more: &str) -> String {
    format!("location ~ ^(/_matrix|/_synapse/client) {{ proxy_pass http://$stub; {PROXY} {more} }}")
}

impl Nginx {
    pub(crate) fn text(&self) -> String {
        let Self {
            tls,
            server_document,
            client_document,
            matrix,
            listen,
        } = self;
        format!(
            "daemon off; worker_processes 1; pid nginx-$port.pid;
            events {{ worker_connections 256; }}
            http {{
                access_log off; error_log stderr; types {{ }} default_type text/html;
                client_body_temp_path body-$port; proxy_temp_path proxy-$port;
                fastcgi_temp_path fastcgi-$port; uwsgi_temp_path uwsgi-$port; scgi_temp_path scgi-$port;
                {tls}
                server {{ {listen} server_name a.test; {server_document} {client_document} }}
                server {{ {listen} server_name matrix.a.test; {matrix} }}
            }}"
        )
        .replace("server.pem", "$folder/server.pem")
        .replace("server.key", "$folder/server.key")
    }

    /// Deploys it on port 443 of both addresses.
    pub(crate) async fn deploy(&self) -> Option<Deployment> {
        self.deploy_before(stub().await).await
    }

    /// The same in front of another homeserver.
    pub(crate) async fn deploy_before(&self, homeserver: SocketAddr) -> Option<Deployment> {
        let mut deployment = Deployment::new().with_certificate();
        let listen = deployment
            .start(Kind::Nginx, &self.text(), homeserver)
            .await?;
        deployment.route_all(listen);
        Some(deployment)
    }

    /// Deploys and checks it.
    pub(crate) async fn report(&self) -> Option<Report> {
        Some(self.deploy().await?.check().await)
    }
}

async fn finds(change: impl FnOnce(&mut Nginx), ids: &[&str]) {
    let mut nginx = Nginx::default();
    change(&mut nginx);
    if let Some(report) = nginx.report().await {
        report.finds(ids);
    }
}

async fn finds_signed(change: impl FnOnce(&mut Nginx), ids: &[&str]) {
    let mut nginx = Nginx::default();
    change(&mut nginx);
    if let Some(deployment) = nginx.deploy().await {
        deployment.check_signed().await.finds(ids);
    }
}

#[tokio::test]
async fn a_healthy_one_is_clean() {
    finds_signed(|_| {}, &[]).await;
}

#[tokio::test]
async fn a_slash_behind_proxy_pass_decodes_paths() {
    let matrix = format!("location / {{ proxy_pass http://$stub/; {PROXY} }}");
    finds(
        |nginx| nginx.matrix = matrix,
        &["path.decoded", "leak.admin"],
    )
    .await;
}

#[tokio::test]
async fn a_slash_behind_proxy_pass_decodes_paths_below_matrix() {
    let matrix = format!("location /_matrix/ {{ proxy_pass http://$stub/_matrix/; {PROXY} }}");
    finds(|nginx| nginx.matrix = matrix, &["path.decoded"]).await;
}

#[tokio::test]
async fn a_prefix_is_cut() {
    let matrix = format!("location /_matrix/ {{ proxy_pass http://$stub/; {PROXY} }}");
    finds(|nginx| nginx.matrix = matrix, &["path.prefix"]).await;
}

#[tokio::test]
async fn only_keys_are_routed() {
    let matrix = format!(
        "location /_matrix/key {{ proxy_pass http://$stub; {PROXY} }}
         location /_matrix/client {{ proxy_pass http://$stub; {PROXY} }}"
    );
    finds(|nginx| nginx.matrix = matrix, &["http.route"]).await;
}

#[tokio::test]
async fn nothing_is_routed() {
    finds(
        |nginx| nginx.matrix = "location / { return 404; }".into(),
        &["http.status"],
    )
    .await;
}

#[tokio::test]
async fn a_web_page_takes_every_path() {
    let matrix = "location / { return 200 '<html>Element</html>'; }";
    finds(|nginx| nginx.matrix = matrix.into(), &["key.json"]).await;
}

#[tokio::test]
async fn the_homeserver_is_down() {
    let matrix = "location / { proxy_pass http://127.0.0.1:1; }";
    finds(|nginx| nginx.matrix = matrix.into(), &["http.upstream"]).await;
}

#[tokio::test]
async fn federation_paths_are_redirected() {
    let matrix = "return 301 https://a.test$request_uri;";
    finds(|nginx| nginx.matrix = matrix.into(), &["http.redirect"]).await;
}

#[tokio::test]
async fn a_password_is_wanted() {
    finds(
        |nginx| nginx.matrix = location("auth_basic x; auth_basic_user_file /dev/null;"),
        &["auth.challenge"],
    )
    .await;
}

#[tokio::test]
async fn authorization_is_stripped() {
    finds(
        |nginx| nginx.matrix = location("proxy_set_header Authorization '';"),
        &["auth.stripped"],
    )
    .await;
}

#[tokio::test]
async fn error_pages_are_replaced() {
    let more = "proxy_intercept_errors on; error_page 404 405 @page;";
    let matrix = format!(
        "{} location @page {{ return 404 '<html>'; }}",
        location(more)
    );
    finds(|nginx| nginx.matrix = matrix, &["json.unknown"]).await;
}

#[tokio::test]
async fn methods_are_limited() {
    finds(
        |nginx| nginx.matrix = location("limit_except GET PUT POST OPTIONS { deny all; }"),
        &["json.method"],
    )
    .await;
}

#[tokio::test]
async fn bodies_are_limited_to_a_mebibyte() {
    let matrix = location("").replace("client_max_body_size 50M;", "");
    finds(|nginx| nginx.matrix = matrix.clone(), &["limits.body"]).await;
    finds_signed(|nginx| nginx.matrix = matrix, &["limits.body"]).await;
}

#[tokio::test]
async fn cors_is_doubled() {
    finds(
        |nginx| nginx.matrix = location("add_header Access-Control-Allow-Origin '*';"),
        &["client.cors.double"],
    )
    .await;
}

#[tokio::test]
async fn preflights_are_swallowed() {
    let more = "if ($request_method = OPTIONS) { return 204; }";
    finds(
        |nginx| nginx.matrix = location(more),
        &["client.cors.missing"],
    )
    .await;
}

#[tokio::test]
async fn single_sign_on_goes_round() {
    let matrix = location("").replace("$http_host", "$host:$server_port");
    finds(|nginx| nginx.matrix = matrix, &["fwd.loop"]).await;
}

#[tokio::test]
async fn everything_below_synapse_is_open() {
    let matrix = format!("location ~ ^(/_matrix|/_synapse) {{ proxy_pass http://$stub; {PROXY} }}");
    finds(|nginx| nginx.matrix = matrix, &["leak.admin"]).await;
}

#[tokio::test]
async fn metrics_are_open() {
    let matrix = format!(
        "{} location /metrics {{ return 200 '# TYPE a counter'; }}",
        location("")
    );
    finds(|nginx| nginx.matrix = matrix, &["leak.metrics"]).await;
}

#[tokio::test]
async fn the_client_document_has_no_cors() {
    let without = Nginx::default()
        .client_document
        .replace("add_header Access-Control-Allow-Origin '*';", "");
    finds(|nginx| nginx.client_document = without, &["client.wk.cors"]).await;
}

#[tokio::test]
async fn the_client_document_is_a_page() {
    let page = "location = /.well-known/matrix/client { return 200 '<html>'; }";
    finds(
        |nginx| nginx.client_document = page.into(),
        &["client.wk.json"],
    )
    .await;
}

#[tokio::test]
async fn the_client_document_leads_nowhere() {
    let wrong = Nginx::default()
        .client_document
        .replace("https://matrix.a.test", "https://gone.a.test");
    finds(
        |nginx| nginx.client_document = wrong,
        &["client.wk.versions"],
    )
    .await;
}

#[tokio::test]
async fn old_tls_is_accepted() {
    let tls = Nginx::default().tls.replace(
        "ssl_protocols TLSv1.2",
        "ssl_ciphers ALL:@SECLEVEL=0; ssl_protocols TLSv1 TLSv1.1 TLSv1.2",
    );
    finds(|nginx| nginx.tls = tls, &["tls.proto.old"]).await;
}

#[tokio::test]
async fn only_new_tls_is_accepted() {
    let tls = Nginx::default().tls.replace("TLSv1.2 TLSv1.3", "TLSv1.3");
    finds(|nginx| nginx.tls = tls, &["tls.proto.no12"]).await;
}

#[tokio::test]
async fn only_older_tls_is_accepted() {
    let tls = Nginx::default().tls.replace("TLSv1.2 TLSv1.3", "TLSv1.2");
    finds(|nginx| nginx.tls = tls, &["tls.proto.no13"]).await;
}

#[tokio::test]
async fn head_is_no_method() {
    let more = "if ($request_method = HEAD) { return 405; }";
    finds(|nginx| nginx.matrix = location(more), &["limits.method"]).await;
}

#[tokio::test]
async fn the_version_is_a_page() {
    let matrix = format!(
        "location = /_matrix/federation/v1/version {{
            if ($request_method = GET) {{ return 200 '<html>'; }}
            proxy_pass http://$stub; {PROXY} }}
         {}",
        location("")
    );
    finds(|nginx| nginx.matrix = matrix, &["ver.schema"]).await;
}

#[tokio::test]
async fn replication_is_open() {
    let mut homeserver = Homeserver::new("a.test");
    homeserver.replicates = true;
    let nginx = Nginx {
        matrix: format!(
            "{} location /_synapse/replication {{ proxy_pass http://$stub; }}",
            location("")
        ),
        ..Nginx::default()
    };
    if let Some(deployment) = nginx.deploy_before(homeserver.start().await).await {
        deployment.check().await.finds(&["leak.replication"]);
    }
}

/// With a third server that answers for all other names.
fn with_default_server(what: &str) -> Nginx {
    let Nginx { listen, matrix, .. } = Nginx::default();
    let listen = listen.trim_end_matches(';');
    Nginx {
        matrix: format!("{matrix} }} server {{ {listen} default_server; server_name _; {what}"),
        ..Nginx::default()
    }
}

#[tokio::test]
async fn any_host_is_that_of_another_homeserver() {
    let other = Homeserver::new("b.test").start().await;
    let nginx = with_default_server(&format!("location / {{ proxy_pass http://{other}; }}"));
    let Some(report) = nginx.report().await else {
        return;
    };
    report.finds(&["http.host.other"]);
}

#[tokio::test]
async fn who_sends_no_name_gets_another_certificate() {
    let nginx = with_default_server(
        "ssl_certificate $folder/other.pem; ssl_certificate_key $folder/other.key; return 404;",
    );
    let mut deployment = Deployment::new().with_certificate();
    let made = deployment.authority.make(&Wanted::new(&["other.test"]));
    deployment.write_certificate("other", &made);
    let text = nginx.text();
    if let Some(listen) = deployment.start(Kind::Nginx, &text, stub().await).await {
        deployment.route_all(listen);
        deployment.check().await.informs("tls.nosni");
    }
}
