//! Provenance files beside generated packages, pushed along by both Helms.

use std::fs;
use std::path::{Path, PathBuf};

use charthouse::chart::archive::{Limits, Package};
use charthouse::chart::{Artifact, Config, Named};

use super::generate::Random;
use super::oracle::Oracle;
use super::{Servers, time_of};

/// What is done to a good file, and what the refusal says of it, if it is refused.
const KINDS: [(&str, Option<&str>); 7] = [
    ("right", None),
    ("with CRLF", None),
    ("with spaces at the ends of lines", None),
    ("of another file name", Some("the provenance file does not list")),
    ("with another digest", Some("but the package has")),
    ("of another version", Some("the provenance file is of")),
    ("cut", Some("")),
];

impl Servers {
    /// Pushes a package that is taken again, with a provenance file. Returns its kind.
    pub fn try_provenance(
        &self,
        oracle: &mut Oracle,
        random: &mut Random,
        path: &Path,
        archive: &[u8],
        namespace: &str,
    ) -> Result<&'static str, String> {
        let package = Package::read(archive, &Limits::default()).map_err(|error| error.to_string())?;
        let config = Config::of(&package.metadata);
        let package = Named::of(archive);
        let (kind, refusal) = KINDS[random.below(KINDS.len())];
        let text = text(random, kind, &config, &package.digest.to_string());
        let beside = PathBuf::from(format!("{}.prov", path.display()));
        fs::write(&beside, &text).expect("write the provenance file");
        let namespace = format!("{namespace}-signed");
        let [elsewhere, here] = [self.distribution.host(), &self.charthouse.addr.to_string()]
            .map(|host| oracle.ask(&super::push(path, host, &namespace)));
        fs::remove_file(&beside).expect("remove the provenance file");
        let signed = Some(Named::of(text.as_bytes()));
        let made = Artifact::new(&config, package, signed, &time_of(path)).manifest;
        let made = Named::of(made.as_bytes()).digest.to_string();
        let as_expected = here.iter().zip(&elsewhere).all(|(here, elsewhere)| match refusal {
            None => here == elsewhere && here.manifest == made,
            Some(rule) => elsewhere.error.is_empty() && !here.error.is_empty() && here.error.contains(rule),
        });
        if as_expected {
            return Ok(kind);
        }
        Err(format!(
            "a provenance file {kind}:\n{text}\n here {here:?}\n distribution {elsewhere:?}\n made {made}"
        ))
    }
}

fn text(random: &mut Random, kind: &str, config: &Config, digest: &str) -> String {
    let file = match kind {
        "of another file name" => "other-1.0.0.tgz".to_owned(),
        _ => format!("{}-{}.tgz", config.name, config.version),
    };
    let version = match kind {
        "of another version" => "99.0.0",
        _ => &config.version,
    };
    let digest = match kind {
        "with another digest" => Named::of(b"another").digest.to_string(),
        _ => digest.to_owned(),
    };
    let [name, version, file] = [&*config.name, version, &*file].map(|text| serde_json::json!(text));
    let text = format!(
        "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\napiVersion: v2\nname: {name}\nversion: {version}\n\n\
        ...\nfiles:\n  {file}: {digest}\n-----BEGIN PGP SIGNATURE-----\n\nwsDcBAEBCgAQ\n=abcd\n\
        -----END PGP SIGNATURE-----\n"
    );
    match kind {
        "with CRLF" => text.replace('\n', "\r\n"),
        "with spaces at the ends of lines" => text
            .lines()
            .map(|line| if random.one_in(3) { format!("{line}  \n") } else { format!("{line}\n") })
            .collect(),
        "cut" => {
            let places: Vec<usize> = text.trim_end().char_indices().map(|(place, _)| place).collect();
            text[..places[random.below(places.len())]].to_owned()
        }
        _ => text,
    }
}
