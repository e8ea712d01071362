//! Writes archives for tests, malformed ones too: pieces of bytes that are put together.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

pub const CHART_YAML: &str = "apiVersion: v2\nname: app\nversion: 1.2.3\n";

/// A file with content.
pub fn file(name: &str, content: impl AsRef<[u8]>) -> Vec<u8> {
    entry(name.as_bytes(), b'0', content.as_ref(), |_| {})
}

/// An entry of any kind, whose header `edit` may change before its checksum is written.
pub fn entry(name: &[u8], kind: u8, content: &[u8], edit: impl FnOnce(&mut [u8; 512])) -> Vec<u8> {
    let mut header = [0; 512];
    header[..name.len().min(100)].copy_from_slice(&name[..name.len().min(100)]);
    header[100..108].copy_from_slice(b"0000644\0");
    header[108..116].copy_from_slice(b"0000000\0");
    header[116..124].copy_from_slice(b"0000000\0");
    header[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
    header[136..148].copy_from_slice(b"00000000000\0");
    header[156] = kind;
    header[257..265].copy_from_slice(b"ustar\x0000");
    edit(&mut header);
    seal(&mut header);
    let mut bytes = header.to_vec();
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

/// Writes the checksum of a header.
pub fn seal(header: &mut [u8]) {
    header[148..156].copy_from_slice(b"        ");
    let sum: u32 = header[..512].iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// An extended header of the kind `x` or `g`.
pub fn extended(kind: u8, records: &[(&str, &str)]) -> Vec<u8> {
    let records: String = records.iter().map(|(key, value)| record(key, value)).collect();
    entry(b"pax", kind, records.as_bytes(), |_| {})
}

/// `<length> <key>=<value>\n`, where the length counts itself.
fn record(key: &str, value: &str) -> String {
    let rest = format!(" {key}={value}\n");
    let mut length = rest.len();
    while length != rest.len() + length.to_string().len() {
        length = rest.len() + length.to_string().len();
    }
    format!("{length}{rest}")
}

/// The name of the next entry as GNU tar writes long ones.
pub fn long_name(name: &str) -> Vec<u8> {
    entry(b"././@LongLink", b'L', format!("{name}\0").as_bytes(), |header| {
        header[257..265].copy_from_slice(b"ustar  \0");
    })
}

/// A package of these entries and nothing else.
pub fn package(entries: &[Vec<u8>]) -> Vec<u8> {
    gzip(&[entries.concat(), vec![0; 1024]].concat())
}

/// A package with a good Chart.yaml and these entries behind it.
pub fn chart_of(entries: &[Vec<u8>]) -> Vec<u8> {
    package(&[vec![file("app/Chart.yaml", CHART_YAML)], entries.to_vec()].concat())
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("write to memory");
    encoder.finish().expect("write to memory")
}
