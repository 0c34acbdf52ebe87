//! An OCI image layout, read by its digests.

use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::support::{reaper, tools};

/// The image for one platform.
pub struct Image {
    /// Its processor, as Go names it.
    pub architecture: String,
    /// Its configuration.
    pub config: Value,
    /// The size of its layer as it is pulled.
    pub compressed: u64,
    layer: PathBuf,
}

/// Where `make image` puts it.
fn folder() -> PathBuf {
    tools::repository().join("target/image/oci")
}

/// A blob by its descriptor, which must have its digest and size.
fn blob(descriptor: &Value) -> (PathBuf, Vec<u8>) {
    let digest = descriptor["digest"].as_str().expect("a digest").strip_prefix("sha256:").expect("a digest by SHA-256");
    let path = folder().join("blobs/sha256").join(digest);
    let content = std::fs::read(&path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()));
    assert_eq!(digest_of(&content), digest, "{}", path.display());
    assert_eq!(descriptor["size"], content.len(), "{}", path.display());
    (path, content)
}

fn digest_of(content: &[u8]) -> String {
    format!("{:x}", Sha256::digest(content))
}

fn document(descriptor: &Value) -> Value {
    serde_json::from_slice(&blob(descriptor).1).expect("a document of the layout is JSON")
}

/// The images of the layout, one for each platform.
pub fn images() -> Vec<Image> {
    let index = folder().join("index.json");
    let index = std::fs::read(&index).unwrap_or_else(|error| panic!("read {}: {error}: run 'make image'", index.display()));
    let index: Value = serde_json::from_slice(&index).expect("the index is JSON");
    let platforms = document(&index["manifests"][0]);
    let manifests = platforms["manifests"].as_array().expect("a manifest for each platform");
    assert!(!manifests.is_empty());
    let image = |descriptor: &Value| {
        let manifest = document(descriptor);
        let layers = manifest["layers"].as_array().expect("layers");
        assert_eq!(layers.len(), 1);
        let (layer, content) = blob(&layers[0]);
        let image = Image {
            architecture: descriptor["platform"]["architecture"].as_str().expect("an architecture").to_owned(),
            config: document(&manifest["config"]),
            compressed: content.len() as u64,
            layer,
        };
        let unpacked = output(reaper::command("gzip").arg("--decompress").arg("--stdout").arg(&image.layer));
        assert_eq!(image.config["rootfs"]["diff_ids"][0], format!("sha256:{}", digest_of(&unpacked)));
        image
    };
    manifests.iter().map(image).collect()
}

fn output(command: &mut std::process::Command) -> Vec<u8> {
    let output = command.output().unwrap_or_else(|error| panic!("run {command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

impl Image {
    /// Unpacks its layer into a folder.
    pub fn unpack(&self, root: &Path) {
        output(reaper::command("tar").arg("--extract").arg("--gzip").arg("--file").arg(&self.layer).arg("--directory").arg(root));
    }

    /// What its layer holds, with owners and times.
    pub fn list(&self) -> String {
        let mut command = reaper::command("tar");
        command.args(["--list", "--verbose", "--numeric-owner", "--full-time", "--utc", "--gzip", "--file"]).arg(&self.layer);
        String::from_utf8(output(&mut command)).expect("a list")
    }
}

/// The processor that an ELF program is for.
pub fn machine(program: &[u8]) -> u16 {
    assert_eq!(program[..6], [0x7f, b'E', b'L', b'F', 2, 1], "a program of 64 bits, little-endian");
    u16::from_le_bytes(program[18..20].try_into().unwrap())
}

/// Whether it names a dynamic linker that has to be there.
pub fn has_interpreter(program: &[u8]) -> bool {
    const INTERPRETER: u32 = 3;
    let number = |at: usize| usize::from(u16::from_le_bytes(program[at..at + 2].try_into().unwrap()));
    let table = usize::try_from(u64::from_le_bytes(program[32..40].try_into().unwrap())).unwrap();
    let (size, count) = (number(54), number(56));
    (0..count).map(|index| table + index * size).any(|at| u32::from_le_bytes(program[at..at + 4].try_into().unwrap()) == INTERPRETER)
}
