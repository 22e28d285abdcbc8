//! Who may use the server: pages of other origins, other hosts, tokens and rates.

use std::num::NonZero;
use std::time::Duration;

use pushbench_server::{Access, Config};
use pushbench_wire::endpoint::Resource;

use crate::support::{Response, Server};

const ALLOW_ORIGIN: &str = "access-control-allow-origin";
const UPGRADES: &str = "Upgrade: websocket, pushbench-tcp\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const PAGE: &str = "http://app.example:3000";

fn server(access: Access) -> Server {
    Server::start(Config { access, ..Config::default() })
}

fn allowing(origin: &str) -> Access {
    Access { origins: vec![origin.parse().unwrap()], ..Access::default() }
}

/// The head of the response to a request with these headers, which include the host.
fn head(server: &Server, method: &str, target: &str, headers: &str) -> Response {
    let mut connection = server.connect();
    connection.send(format!("{method} {target} HTTP/1.1\r\n{headers}\r\n"));
    connection.response_head()
}

/// Every route, with the method that uses it and what it answers whom it lets in.
fn routes() -> Vec<(&'static str, String, u16)> {
    let mut routes: Vec<_> = Resource::all()
        .map(|resource| {
            let path = resource.path("a");
            match resource.segment() {
                "events" => ("POST", path, 200),
                "ws" | "tcp" => ("GET", path, 101),
                _ => ("GET", path + "?after=0", 200),
            }
        })
        .collect();
    routes.extend(["/healthz", "/metrics"].map(|path| ("GET", path.to_owned(), 200)));
    routes.push(("GET", "/nowhere".to_owned(), 404));
    routes
}

fn headers(method: &str, more: &str) -> String {
    let body = if method == "POST" { "Content-Length: 0\r\n" } else { "" };
    format!("Host: localhost\r\n{UPGRADES}{body}{more}")
}

#[test]
fn pages_of_other_origins_can_use_no_route() {
    let server = server(Access::default());
    for foreign in [
        "Origin: http://evil.example\r\n",
        "Origin: null\r\n",
        // The same machine, but another port.
        "Origin: http://localhost:3000\r\n",
        "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n",
        "Sec-Fetch-Site: same-site\r\n",
    ] {
        for (method, target, _) in routes() {
            for method in [method, "OPTIONS"] {
                let response = head(&server, method, &target, &headers(method, foreign));
                assert_eq!(response.status, 403, "{method} {target} {foreign}");
                assert_eq!(response.header(ALLOW_ORIGIN), None, "{method} {target} {foreign}");
            }
        }
    }
    assert_eq!(server.metric("pushbench_published_total"), 0);
    assert_eq!(server.metric("pushbench_channels"), 0);
    let response = server.connect().get("/healthz", "Origin: http://evil.example\r\n");
    assert_eq!(
        response.reason(),
        "pages of the origin \"http://evil.example\" may not use this server; allow them with \
         --allow-origin"
    );
}

#[test]
fn the_servers_own_pages_and_other_programs_can_use_every_route() {
    let server = server(Access::default());
    for own in [
        "",
        "Origin: http://localhost\r\n",
        "Origin: http://localhost\r\nSec-Fetch-Site: same-origin\r\n",
        "Sec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\n",
        // A link that somebody follows.
        "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n",
    ] {
        for (method, target, status) in routes() {
            let response = head(&server, method, &target, &headers(method, own));
            assert_eq!(response.status, status, "{method} {target} {own}");
            assert_eq!(response.header(ALLOW_ORIGIN), None, "{method} {target} {own}");
        }
    }
}

#[test]
fn an_allowed_origin_can_use_every_route_and_read_the_answers() {
    for (allowed, answered) in [(PAGE, PAGE), ("*", "*")] {
        let server = server(allowing(allowed));
        for (method, target, status) in routes() {
            let origin = format!("Origin: {PAGE}\r\n");
            let response = head(&server, method, &target, &headers(method, &origin));
            assert_eq!(response.status, status, "{method} {target}");
            if status != 101 {
                assert_eq!(response.header(ALLOW_ORIGIN), Some(answered), "{method} {target}");
            }
        }
        let other = server.connect().get("/healthz", "Origin: http://other.example\r\n");
        assert_eq!(other.status, if allowed == "*" { 200 } else { 403 });
    }
    let server = server(allowing(PAGE));
    let response = server.connect().get("/healthz", &format!("Origin: {PAGE}\r\n"));
    assert_eq!(response.header("vary"), Some("Origin"), "no cache gives it to another page");
}

#[test]
fn a_preflight_is_answered_for_allowed_origins() {
    let server = server(Access { token: Some("s3cret".parse().unwrap()), ..allowing(PAGE) });
    let preflight = format!(
        "Host: localhost\r\nOrigin: {PAGE}\r\nAccess-Control-Request-Method: POST\r\n\
         Access-Control-Request-Headers: authorization\r\n\
         Access-Control-Request-Private-Network: true\r\n"
    );
    let response = head(&server, "OPTIONS", "/channels/a/events", &preflight);
    assert_eq!(response.status, 204, "a browser sends no token with it");
    for (name, value) in [
        (ALLOW_ORIGIN, PAGE),
        ("access-control-allow-methods", "POST, OPTIONS"),
        (
            "access-control-allow-headers",
            "Authorization, Content-Type, Last-Event-ID, X-Last-Event-Id",
        ),
        ("access-control-allow-private-network", "true"),
        ("allow", "POST, OPTIONS"),
    ] {
        assert_eq!(response.header(name), Some(value), "{name}");
    }
    let plain = head(&server, "OPTIONS", "/channels/a/poll", "Host: localhost\r\n");
    assert_eq!((plain.status, plain.header("allow")), (204, Some("GET, OPTIONS")));
    assert_eq!(plain.header("access-control-allow-methods"), None);
}

#[test]
fn on_loopback_other_hosts_are_refused() {
    let default = server(Access::default());
    let hosts = ["app.example".parse().unwrap()];
    let allowing = server(Access { hosts: hosts.to_vec(), ..Access::default() });
    // A page that points its own name here would be of the same origin.
    let rebound = "Host: evil.example\r\nOrigin: http://evil.example\r\n";
    let cases = [
        ("/healthz", "Host: 127.0.0.1:80\r\n", 200, 200),
        ("/healthz", "Host: [::1]:80\r\n", 200, 200),
        ("/healthz", "Host: LOCALHOST\r\n", 200, 200),
        ("/channels/a/events", rebound, 403, 403),
        ("/healthz", "Host: 10.0.0.1\r\n", 403, 403),
        ("/healthz", "Host: App.Example:8080\r\n", 403, 200),
        // The host of the target counts (RFC 9112 §3.2.2).
        ("http://evil.example/healthz", "Host: localhost\r\n", 403, 403),
        ("http://localhost/healthz", "Host: evil.example\r\n", 200, 200),
        ("/healthz", "Host: \r\n", 400, 400),
        ("/healthz", "Host: a@localhost\r\n", 400, 400),
        ("/healthz", "Host: localhost:port\r\n", 400, 400),
    ];
    for (target, headers, by_default, when_allowed) in cases {
        for (server, status) in [(&default, by_default), (&allowing, when_allowed)] {
            let response = head(server, "GET", target, headers);
            assert_eq!(response.status, status, "{target} {headers}");
        }
    }
    let mut old = default.connect();
    old.send("GET /healthz HTTP/1.0\r\n\r\n");
    assert_eq!(old.response().status, 200, "HTTP/1.0 needs no host");
}

#[test]
fn a_token_opens_every_route() {
    let server = server(Access { token: Some("s3cret".parse().unwrap()), ..Access::default() });
    for (method, target, status) in routes() {
        let query = if target.contains('?') { '&' } else { '?' };
        for (target, more, expected) in [
            (target.clone(), "", if target == "/healthz" { 200 } else { 401 }),
            (target.clone(), "Authorization: Bearer s3cret\r\n", status),
            (format!("{target}{query}token=s3cret"), "", status),
            (
                format!("{target}{query}token=wrong"),
                "",
                if target == "/healthz" { 200 } else { 401 },
            ),
        ] {
            let response = head(&server, method, &target, &headers(method, more));
            assert_eq!(response.status, expected, "{method} {target} {more}");
            if expected == 401 {
                assert_eq!(response.header("www-authenticate"), Some("Bearer"));
            }
        }
    }
}

#[test]
fn a_client_may_not_exceed_its_rates() {
    let access = |requests, connections| Access {
        client_requests_per_second: NonZero::new(requests),
        client_connections_per_second: NonZero::new(connections),
        ..Access::default()
    };
    let second = Duration::from_secs(1);
    let config = Config { access: access(2, 0), ..Config::default() };
    let server = Server::start_with_manual_clock(config);
    let mut connection = server.connect();
    let statuses = |connection: &mut crate::support::Connection| {
        [(); 3].map(|()| connection.get("/healthz", "").status)
    };
    assert_eq!(statuses(&mut connection), [200, 200, 429]);
    server.advance(second);
    assert_eq!(statuses(&mut connection), [200, 200, 429]);

    let config = Config { access: access(0, 1), ..Config::default() };
    let server = Server::start_with_manual_clock(config);
    let mut first = server.connect();
    assert_eq!(first.get("/healthz", "").status, 200);
    let refused = server.get("/healthz");
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")));
    assert_eq!(
        refused.reason(),
        "a client may have 1 connections per second; slow down, or raise \
         --client-connections-per-second"
    );
    assert_eq!(first.get("/healthz", "").status, 200, "an open connection goes on");
    server.advance(second);
    assert_eq!(server.get("/healthz").status, 200);
}
