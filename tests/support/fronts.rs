//! Real proxies in front of the real argocd-server, configured as their Ingress controllers would from an Ingress.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use k8s_openapi::api::networking::v1::Ingress;
use tempfile::TempDir;

use super::{
    process::{Process, free_port, wait_for_port},
    reaper, tools,
};

/// A running proxy.
pub struct Proxy {
    port: u16,
    process: Process,
    _folder: TempDir,
}

impl Proxy {
    /// Starts nginx with what F5's controller makes of an Ingress with these annotations.
    pub fn nginx(annotations: &BTreeMap<String, String>, upstream: u16) -> Self {
        // `Upgrade` is passed for the Services of `websocket-services` only.
        let of = |name: &str| annotations.get(&format!("nginx.org/{name}")).map(String::as_str);
        let websocket = of("websocket-services").is_some_and(|list| list.split(',').any(|service| service.trim() == "argocd-server"));
        let times = [of("proxy-read-timeout").unwrap_or("60s"), of("proxy-send-timeout").unwrap_or("60s")];
        let locations = location("/", websocket, times);
        Self::start_nginx(&locations, upstream)
    }

    /// Starts nginx with what the community's ingress-nginx makes of an Ingress: `Upgrade` is passed always, and only its paths lead on.
    pub fn nginx_of_the_community(ingress: &Ingress, upstream: u16) -> Self {
        let rules = ingress.spec.iter().flat_map(|spec| spec.rules.iter().flatten());
        let paths = rules.flat_map(|rule| rule.http.iter().flat_map(|http| &http.paths));
        let matched = |kind: &str, path: &str| if kind == "Exact" { format!("= {path}") } else { path.to_owned() };
        let locations = paths.map(|p| location(&matched(&p.path_type, p.path.as_deref().unwrap_or("/")), true, ["60s", "60s"]));
        Self::start_nginx(&locations.collect::<String>(), upstream)
    }

    fn start_nginx(locations: &str, upstream: u16) -> Self {
        Self::start("nginx", |port, folder| nginx_configuration(locations, upstream, port, folder), |file| vec!["-c".to_owned(), file])
    }

    /// Starts haproxy with what HAProxy Ingress makes of an Ingress with these annotations.
    pub fn haproxy(annotations: &BTreeMap<String, String>, upstream: u16) -> Self {
        Self::start("haproxy", |port, _| haproxy_configuration(annotations, upstream, port), |file| vec!["-db".to_owned(), "-f".to_owned(), file])
    }

    fn start(name: &str, configuration: impl Fn(u16, &str) -> String, arguments: impl Fn(String) -> Vec<String>) -> Self {
        let folder = reaper::folder(name);
        let port = free_port();
        let file: PathBuf = folder.path().join("configuration");
        std::fs::write(&file, configuration(port, &folder.path().display().to_string())).unwrap();
        let process = Process::start(name, &tools::debian(name), arguments(file.display().to_string()), &[], &folder.path().join("log"));
        wait_for_port(&process, port, Duration::from_secs(10)).unwrap();
        Self { port, process, _folder: folder }
    }

    /// Where it listens; it must still run.
    pub fn port(&self) -> u16 {
        self.process.check().unwrap();
        self.port
    }
}

/// A location of `internal/configs/version1/nginx.ingress.tmpl`.
fn location(path: &str, websocket: bool, [read, send]: [&str; 2]) -> String {
    let upgrade = if websocket { "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;" } else { "" };
    format!(
        "
    location {path} {{
      proxy_http_version 1.1;
      {upgrade}
      proxy_connect_timeout 60s;
      proxy_read_timeout {read};
      proxy_send_timeout {send};
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_buffering on;
      proxy_pass http://argocd-server;
    }}"
    )
}

fn nginx_configuration(locations: &str, upstream: u16, port: u16, folder: &str) -> String {
    let paths: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|name| format!("{name}_temp_path {folder}/{name};\n")).concat();
    format!(
        "
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log stderr;
events {{ }}
http {{
  access_log off;
  {paths}
  map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
  upstream argocd-server {{ server 127.0.0.1:{upstream}; }}
  server {{
    listen 127.0.0.1:{port};
    root {folder};{locations}
  }}
}}
"
    )
}

/// Its backend has `timeout tunnel` from the annotation, an hour without one.
fn haproxy_configuration(annotations: &BTreeMap<String, String>, upstream: u16, port: u16) -> String {
    let tunnel = annotations.get("haproxy-ingress.github.io/timeout-tunnel").map_or("1h", String::as_str);
    format!(
        "
global
  maxconn 100
defaults
  mode http
  timeout client 50s
  timeout connect 5s
  timeout server 50s
frontend web
  bind 127.0.0.1:{port}
  default_backend argocd-server
backend argocd-server
  timeout tunnel {tunnel}
  server srv001 127.0.0.1:{upstream}
"
    )
}
