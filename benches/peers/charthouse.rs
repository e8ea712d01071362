//! This server, over a directory or a bucket.

use std::net::SocketAddr;
use std::process::Command;

use super::minio::{ACCESS_KEY, SECRET_KEY};

/// Everything but the access lines is as it is by default.
pub fn configure(command: &mut Command, store: &str, address: SocketAddr, access: bool) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CHARTHOUSE_") {
            command.env_remove(name);
        }
    }
    command.env("CHARTHOUSE_LOG_ACCESS", access.to_string());
    // The default address may be taken.
    command.env("CHARTHOUSE_METRICS_LISTEN", "127.0.0.1:0");
    command.args(["serve", "--listen", &address.to_string(), "--storage", store]);
    command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
}
