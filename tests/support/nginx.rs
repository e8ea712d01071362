//! nginx in front of several servers, as docs/deploy/s3.md advises.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::s3::free_address;
use super::tools::{NGINX, program};

const START: Duration = Duration::from_secs(10);

/// A running nginx; dropping it kills it.
pub struct Nginx {
    process: Child,
    address: SocketAddr,
    folder: TempDir,
}

impl Nginx {
    /// In front of `upstreams`, or nothing when it is not installed (a failure where `CI` is `true`).
    #[track_caller]
    pub fn start(upstreams: &[SocketAddr]) -> Option<Self> {
        Self::start_with(upstreams, "location / {\n      proxy_pass http://charthouse;")
    }

    /// The same below a path like `/charts`, which it takes off.
    #[track_caller]
    pub fn start_below(path: &str, upstreams: &[SocketAddr]) -> Option<Self> {
        Self::start_with(upstreams, &format!("location {path}/ {{\n      proxy_pass http://charthouse/;"))
    }

    /// The same over TLS, with the certificate in `tests/fixtures/tls/self-signed.pem`.
    #[track_caller]
    pub fn start_tls(upstreams: &[SocketAddr]) -> Option<Self> {
        let pem = certificate().display().to_string();
        let location = "location / {\n      proxy_pass http://charthouse;";
        Self::start_at(
            " ssl",
            upstreams,
            &format!("ssl_certificate {pem};\n    ssl_certificate_key {pem};\n    {location}"),
        )
    }

    #[track_caller]
    fn start_with(upstreams: &[SocketAddr], location: &str) -> Option<Self> {
        Self::start_at("", upstreams, location)
    }

    /// `tls` comes behind the address that is listened on.
    #[track_caller]
    fn start_at(tls: &str, upstreams: &[SocketAddr], location: &str) -> Option<Self> {
        let program = program(NGINX)?;
        let folder = TempDir::new().expect("a folder");
        let address = free_address();
        let text = folder.path().display();
        let servers: String = upstreams
            .iter()
            .map(|upstream| format!("server {upstream} max_fails=1 fail_timeout=1s; "))
            .collect();
        let configuration = format!(
            "daemon off;
master_process off;
pid {text}/pid;
error_log {text}/log warn;
events {{ worker_connections 1024; }}
http {{
  access_log {text}/access;
  client_body_temp_path {text}/body;
  proxy_temp_path {text}/proxy;
  fastcgi_temp_path {text}/fastcgi;
  uwsgi_temp_path {text}/uwsgi;
  scgi_temp_path {text}/scgi;
  upstream charthouse {{ {servers} keepalive 16; }}
  server {{
    listen {address}{tls};
    client_max_body_size 0;
    {location}
      proxy_http_version 1.1;
      proxy_set_header Connection '';
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_request_buffering off;
      proxy_connect_timeout 2s;
      proxy_next_upstream error timeout http_502 http_503;
    }}
  }}
}}
"
        );
        let path = folder.path().join("nginx.conf");
        fs::write(&path, configuration).expect("write the configuration");
        let mut command = Command::new(program);
        command.arg("-e").arg(folder.path().join("log")).arg("-p").arg(folder.path()).arg("-c").arg(path);
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("start nginx");
        let mut nginx = Self { process, address, folder };
        nginx.wait();
        Some(nginx)
    }

    /// `HOST:PORT`, as it stands in references.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// What it has complained about.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn wait(&mut self) {
        let started = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            let ended = self.process.try_wait().expect("look after nginx");
            assert!(ended.is_none(), "nginx ended: {ended:?}\n{}", self.log());
            assert!(started.elapsed() < START, "nginx does not listen\n{}", self.log());
            sleep(Duration::from_millis(20));
        }
    }
}

/// The certificate of [`Nginx::start_tls`] and its key; it is its own authority.
pub fn certificate() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls/self-signed.pem")
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill().and_then(|()| self.process.wait());
    }
}
