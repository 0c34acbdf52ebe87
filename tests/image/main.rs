//! The image that `make image` wrote into target/image/oci: what is in it, and that it runs as its own root file system.
//!
//! * [`layout`] reads and unpacks it.
//! * The rest starts it as a container runtime would, without one: with its own files alone, read-only, as its own user, and with the
//!   ServiceAccount's token where Kubernetes mounts it. That takes root (`unshare`). That for another processor runs through qemu.
//!
//! Ignored by default: the image takes a release build for each platform. `make image-test` runs them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a panic is the way to say that something does not hold"
)]

#[path = "../support/mod.rs"]
mod support;

mod layout;

use std::{path::Path, time::Duration};

use layout::{Image, images};
use serde_json::{Value, json};
use support::{
    ControlPlane, Kubernetes, eventually,
    eventually::that,
    manifests,
    process::{Process, free_port, get, run},
    reaper, tools,
};

const MAX_COMPRESSED: u64 = 20_000_000;

#[test]
#[ignore = "needs make image"]
fn the_image_is_one_static_program_and_a_licence_for_nobody_in_particular() {
    for image in images() {
        assert!(image.compressed < MAX_COMPRESSED, "{}: {} bytes compressed", image.architecture, image.compressed);
        println!("{}: {} bytes compressed", image.architecture, image.compressed);
        assert_eq!(image.config["config"]["User"], "65532:65532");
        assert_eq!(image.config["config"]["Entrypoint"], json!(["/argocd-access"]));
        assert_eq!((&image.config["os"], &image.config["architecture"]), (&json!("linux"), &json!(image.architecture)));

        let root = reaper::folder("image");
        image.unpack(root.path());
        let mut files: Vec<_> = std::fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        files.sort();
        assert_eq!(files, ["LICENSE", "argocd-access"]);
        let program = std::fs::read(root.path().join("argocd-access")).unwrap();
        let expected = if image.architecture == "amd64" { 62 } else { 183 };
        assert_eq!(layout::machine(&program), expected, "{}: built for another processor", image.architecture);
        assert!(!layout::has_interpreter(&program), "{}: needs a dynamic linker", image.architecture);
    }
}

#[test]
#[ignore = "needs make image"]
fn times_and_owners_of_its_files_do_not_depend_on_who_built_it() {
    for image in images() {
        let listed = image.list();
        assert_eq!(listed.lines().count(), 2, "{listed}");
        let created = image.config["created"].as_str().unwrap().trim_end_matches('Z').replace('T', " ");
        for line in listed.lines() {
            assert!(line.contains(" 0/0 ") && line.contains(&created), "{line}: not by root at {created}");
        }
    }
}

/// Puts into the root what Kubernetes mounts there: the configuration and the ServiceAccount's token.
async fn mount(root: &Path, cluster: &ControlPlane, namespace: &str, account: &str, name: &str) {
    let client = cluster.client();
    let map = manifests::api(&client, namespace, "v1", "ConfigMap").get(name).await.unwrap();
    let write = |path: &str, text: &str| {
        let file = root.join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    };
    write("etc/argocd-access/config.yaml", map.data["data"]["config.yaml"].as_str().unwrap());
    let kubeconfig: Value = serde_json::from_str(&std::fs::read_to_string(cluster.kubeconfig_admin()).unwrap()).unwrap();
    let authority = kubeconfig["clusters"][0]["cluster"]["certificate-authority"].as_str().unwrap();
    let folder = "var/run/secrets/kubernetes.io/serviceaccount";
    write(&format!("{folder}/ca.crt"), &std::fs::read_to_string(authority).unwrap());
    write(&format!("{folder}/token"), &cluster.token(namespace, account).await);
    write(&format!("{folder}/namespace"), namespace);
}

/// The architecture of this machine.
const HOST: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };

/// Puts into the root what lets this machine's kernel run programs of another processor, and says what to start first.
fn emulator(image: &Image, root: &Path) -> Option<&'static str> {
    if image.architecture == HOST {
        return None;
    }
    assert_eq!(image.architecture, "arm64", "nothing is known that runs {} here", image.architecture);
    std::fs::copy(tools::debian("qemu-aarch64-static"), root.join("emulator")).unwrap();
    Some("/emulator")
}

/// Starts the image's entry point with this as its whole file system, read-only, as the image's user, who has no capability.
fn start(image: &Image, root: &Path, arguments: &[String], environment: &[(&str, String)], log: &Path) -> Process {
    let user = image.config["config"]["User"].as_str().unwrap();
    let (user, group) = user.split_once(':').unwrap();
    let entry = image.config["config"]["Entrypoint"][0].as_str().unwrap();
    let mut command = reaper::command("unshare");
    command.args(["--mount", "sh", "-c"]).arg(
        "mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\" && root=$0 user=$1 group=$2 && shift 2 \
         && exec unshare --root \"$root\" --wd / --setgid \"$group\" --setuid \"$user\" \"$@\"",
    );
    command.arg(root).args([user, group]).args(emulator(image, root)).arg(entry).args(arguments).env_clear();
    command.env("PATH", std::env::var("PATH").unwrap()).envs(environment.iter().map(|(name, value)| (name, value)));
    Process::start_command("the image", command, log)
}

#[tokio::test]
#[ignore = "needs make image, and root"]
async fn it_serves_a_real_cluster_from_its_own_read_only_root_as_its_own_user() {
    let cluster = ControlPlane::shared(Kubernetes::V1_36).await;
    let namespace = cluster.instance("image").await;
    let chart = tools::repository().join("charts/argocd-access-operator").display().to_string();
    let name = "argocd-access-operator";
    cluster.helm(&["install", name, &chart, "--namespace", &namespace]).await.success();
    let deployment = manifests::api(&cluster.client(), &namespace, "apps/v1", "Deployment").get(name).await.unwrap();
    let pod = &deployment.data["spec"]["template"]["spec"];

    assert!(images().iter().any(|image| image.architecture == HOST), "no image for this machine");
    for image in images() {
        serve(cluster, &namespace, pod, &image).await;
    }
}

/// Starts it, has it told of an object, and ends it.
async fn serve(cluster: &ControlPlane, namespace: &str, pod: &Value, image: &Image) {
    let name = "argocd-access-operator";
    println!("starting the image for {}", image.architecture);
    let folder = reaper::folder("image");
    let root = folder.path().join("root");
    std::fs::create_dir(&root).unwrap();
    image.unpack(&root);
    mount(&root, cluster, namespace, pod["serviceAccountName"].as_str().unwrap(), name).await;
    // Everybody may walk in, as into a container's root.
    run({
        let mut command = reaper::command("chmod");
        command.args(["-R", "a+rX"]).arg(folder.path());
        command
    })
    .await
    .success();

    let port = free_port();
    let arguments = pod["containers"][0]["args"].as_array().unwrap().iter().map(|argument| argument.as_str().unwrap());
    let arguments: Vec<String> =
        arguments.map(|a| if a.starts_with("--listen=") { format!("--listen=127.0.0.1:{port}") } else { a.to_owned() }).collect();
    let server = cluster.server.strip_prefix("https://").unwrap().split_once(':').unwrap();
    let environment = [
        ("KUBERNETES_SERVICE_HOST", server.0.to_owned()),
        ("KUBERNETES_SERVICE_PORT", server.1.to_owned()),
        ("ARGOCD_ACCESS_NAMESPACE", namespace.to_owned()),
        ("ARGOCD_ACCESS_POD_NAME", "image-0".to_owned()),
    ];
    let log = folder.path().join("log");
    let process = start(image, &root, &arguments, &environment, &log);
    let said = || std::fs::read_to_string(&log).unwrap_or_default();
    eventually("the program of the image is ready", Duration::from_secs(60), || async {
        let (status, body) = get(&format!("http://127.0.0.1:{port}/readyz")).await.map_err(|error| format!("{error}\n{}", said()))?;
        that(status == 200, || body)
    })
    .await;

    let of_process = |file: &str| std::fs::read_to_string(format!("/proc/{}/{file}", process.id())).unwrap();
    let status = of_process("status");
    let ids = |key: &str| status.lines().find_map(|line| line.strip_prefix(key)).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!((ids("Uid:"), ids("Gid:"), ids("CapEff:")), ("65532 ".repeat(4).trim().into(), "65532 ".repeat(4).trim().into(), "0".repeat(16)));
    let mounts = of_process("mountinfo");
    let of_root = mounts.lines().find(|line| line.split(' ').nth(4) == Some("/")).unwrap();
    assert!(of_root.split(' ').nth(5).unwrap().split(',').any(|option| option == "ro"), "{of_root}");

    let team = format!("team-{}", image.architecture);
    let access = json!({"apiVersion": "argocd-access.dev/v1alpha1", "kind": "ExecAccess", "metadata": {"name": team, "namespace": namespace},
        "spec": {"subjects": [{"kind": "Group", "name": "a"}], "applications": [{"project": "shop", "name": "web"}]}});
    manifests::apply_text(&cluster.client(), namespace, &access.to_string()).await;
    eventually("the ExecAccess has a status", Duration::from_secs(60), || async {
        let found = manifests::api(&cluster.client(), namespace, "argocd-access.dev/v1alpha1", "ExecAccess").get(&team).await;
        let found = found.map_err(|error| error.to_string())?;
        let conditions = found.data["status"]["conditions"].as_array().cloned().unwrap_or_default();
        that(conditions.iter().any(|c| c["type"] == "PolicyApplied" && c["status"] == "True"), || format!("{conditions:?}\n{}", said()))
    })
    .await;
    process.signal("TERM");
    eventually("it ends when it is told to", Duration::from_secs(30), || async { that(process.ended().is_some(), said) }).await;
    assert!(process.ended().unwrap().success(), "{}", said());
}
