//! nginx with one worker, serving files: the upper bound for answers that never change.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::find_program;

pub fn find() -> Option<PathBuf> {
    find_program("nginx", &[PathBuf::from("/usr/sbin/nginx")])
}

pub fn configure(command: &mut Command, folder: &Path, address: SocketAddr) -> Result<()> {
    let folder = std::path::absolute(folder)?;
    let text = folder.to_str().context("a folder that is not text")?;
    fs::create_dir_all(folder.join("store"))?;
    let config = format!(
        "daemon off;
master_process off;
worker_processes 1;
pid {text}/pid;
error_log {text}/log crit;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  sendfile on;
  tcp_nodelay on;
  keepalive_requests 1000000000;
  types {{}}
  default_type application/octet-stream;
  client_body_temp_path {text}/body;
  proxy_temp_path {text}/proxy;
  fastcgi_temp_path {text}/fastcgi;
  uwsgi_temp_path {text}/uwsgi;
  scgi_temp_path {text}/scgi;
  server {{ listen {address}; root {text}/store; }}
}}
"
    );
    let path = folder.join("nginx.conf");
    fs::write(&path, config)?;
    command.arg("-e").arg(folder.join("log")).arg("-p").arg(&folder).arg("-c").arg(path);
    Ok(())
}
