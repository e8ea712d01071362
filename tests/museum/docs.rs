//! The examples of docs/chartmuseum.md, run by the real curl as they stand there.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::artifact::Blob;
use crate::support::charts::{pack, root};
use crate::support::command::run;
use crate::support::release::unsigned_provenance;
use crate::support::server::Server;

#[test]
fn every_example_of_the_page_works() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/chartmuseum.md");
    let page = fs::read_to_string(page).expect("read docs/chartmuseum.md");
    let examples = page.split("```sh\n").skip(1).filter_map(|block| block.split("```").next());
    let lines: Vec<&str> = examples.flat_map(str::lines).filter(|line| !line.is_empty()).collect();
    assert!(lines.len() >= 10 && lines.iter().all(|line| line.starts_with("curl ")), "{lines:?}");

    let folder = tempfile::tempdir().expect("a folder");
    let app = pack("app-1.2.3", &[]);
    app.write(folder.path());
    let digest = Blob::new(app.bytes.clone()).digest;
    let provenance = unsigned_provenance("name: app\nversion: 1.2.3", &app.file_name, &digest);
    fs::write(folder.path().join("app-1.2.3.tgz.prov"), provenance).expect("write a file");
    let candidate = pack("app-2.0.0-rc.1", &[]);
    candidate.write(folder.path());
    pack("signed", &[]).write(folder.path());
    fs::copy(root().join("signed-1.0.0.tgz.prov"), folder.path().join("signed-1.0.0.tgz.prov"))
        .expect("copy a file");

    let server = Server::in_memory();
    let mut outputs = Vec::new();
    let prepare =
        format!("curl --data-binary @{} http://127.0.0.1:5000/api/team/charts", candidate.file_name);
    for line in [prepare.as_str()].into_iter().chain(lines) {
        let line =
            line.replace("127.0.0.1:5000", &server.host()).replacen("curl ", "curl --fail-with-body -sS ", 1);
        println!("{line}");
        outputs.push(run(Command::new("bash").args(["-c", &line]).current_dir(folder.path())).succeeds());
    }
    let seen = |text: &str| outputs.iter().filter(|output| output.contains(text)).count();
    assert_eq!((seen("\"saved\":true"), seen("\"deleted\":true")), (4, 1), "{outputs:#?}");
    assert!(seen("\"version\":\"1.2.3\"") >= 3, "{outputs:#?}");
    server.stop();
}
