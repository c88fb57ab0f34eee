//! What is in infra/ does what it says: objects have the shape of their kinds, units are as
//! sealed as their guide says, and what goes into a container runs in an empty root.

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use vwp_tests::foreign::free_address;
use vwp_tests::host::Host;
use vwp_tests::http::{Call, Http};
use vwp_tests::kind::Kind;
use vwp_tests::libraries;
use vwp_tests::{eventually, project, tools};

/// What the units' guide says of how exposed they are, in tenths.
const EXPOSED: [(&str, u32); 2] = [("virtualworldport.service", 12), ("virtualworldport-backup.service", 17)];
/// The user in a container.
const USER: &str = "65532";

/// What is wrong with a folder of infrastructure, if that can be told here.
fn faults(infra: &Path) -> Option<Vec<String>> {
    let (python, folder) = libraries::python(&["infra.py"])?;
    let task = json!({"infra": infra, "manifest": project().join("spin.toml")});
    let found = libraries::answer(Command::new(python).arg("infra.py").current_dir(folder), &task);
    Some(found.as_array()?.iter().map(|fault| fault.as_str().unwrap_or_default().to_owned()).collect())
}

#[test]
fn manifests_have_the_shape_of_their_kinds_and_name_what_is_there() {
    let Some(faults) = faults(&project().join("infra")) else { return };
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn a_fault_in_a_manifest_is_found() {
    let changes = [
        (
            "kubernetes/statefulset.yaml",
            "readOnlyRootFilesystem: true",
            "readOnlyRootFilesystem: false",
            "more than it must",
        ),
        ("kubernetes/statefulset.yaml", "replicas: 1", "replicas: one", "StatefulSet"),
        ("kubernetes/statefulset.yaml", "path: /livez", "path: /alive", "nothing that the host answers"),
        ("kubernetes/statefulset.yaml", "--variable=zone", "--variable=zoned", "there is no variable zoned"),
        ("kubernetes/services.yaml", "targetPort: dns-udp", "targetPort: dns-dup", "has the port dns-dup"),
        ("kubernetes/networkpolicy.yaml", "policyTypes", "policytypes", "NetworkPolicy"),
        ("kubernetes/kustomization.yaml", "  - backup.yaml\n", "", "backup.yaml"),
        ("spinkube/spinapp.yaml", "image:", "picture:", "SpinApp"),
        ("spinkube/spinapp.yaml", "name: master_key", "name: masterkey", "variable master_key is not given"),
        ("nomad/virtualworldport.nomad.hcl", "count = 1", "count = 2", "more than one process"),
        ("nomad/virtualworldport.nomad.hcl", "group \"port\" {", "group \"port\" {{", "this is no HCL"),
    ];
    for (file, before, after, expected) in changes {
        let scratch = tempfile::tempdir().expect("a folder");
        for folder in ["kubernetes", "spinkube", "nomad"] {
            copy_folder(&project().join("infra").join(folder), &scratch.path().join(folder));
        }
        let path = scratch.path().join(file);
        let text = std::fs::read_to_string(&path).expect("a manifest");
        assert!(text.contains(before), "{file} has no {before}");
        std::fs::write(&path, text.replace(before, after)).expect("changed");
        let Some(faults) = faults(scratch.path()) else { return };
        assert!(faults.iter().any(|fault| fault.contains(expected)), "{file}, {after}: {faults:#?}");
    }
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a listing") {
        let entry = entry.expect("an entry");
        std::fs::copy(entry.path(), to.join(entry.file_name())).expect("copied");
    }
}

/// The units, in a folder where the program that they start is there.
fn units() -> (tempfile::TempDir, Vec<PathBuf>) {
    let scratch = tempfile::tempdir().expect("a folder");
    copy_folder(&project().join("infra/systemd"), scratch.path());
    let mut units = Vec::new();
    for entry in std::fs::read_dir(scratch.path()).expect("a listing") {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("a unit");
        std::fs::write(&path, text.replace("/usr/bin/vwp", "/bin/true")).expect("written");
        if path.extension().is_some_and(|extension| extension != "md") {
            units.push(path);
        }
    }
    (scratch, units)
}

#[test]
fn the_units_are_well_formed_and_as_sealed_as_their_guide_says() {
    if !tools::require("systemd-analyze", "systemd") {
        return;
    }
    let (folder, units) = units();
    assert_eq!(units.len(), 5);
    let verified = tools::output(Command::new("systemd-analyze").args(["verify", "--man=no"]).args(&units));
    assert!(verified.status.success() && verified.stderr.is_empty(), "{}", tools::shown(&verified));
    let guide = std::fs::read_to_string(project().join("infra/systemd/README.md")).expect("a guide");
    for (unit, tenths) in EXPOSED {
        let mut analyze = Command::new("systemd-analyze");
        analyze.args(["security", "--offline=true", "--no-pager"]);
        // It fails where the service is more exposed than this.
        analyze.arg(format!("--threshold={tenths}")).arg(folder.path().join(unit));
        let _ = tools::run(&mut analyze);
        let said = format!("**{}.{}**", tenths / 10, tenths % 10);
        assert!(guide.contains(&said), "the guide does not say {said} of {unit}");
    }
}

/// Every option that a file of infra/ gives to `vwp up` is one.
#[test]
fn the_options_in_the_manifests_are_options_of_the_program() {
    let help = tools::run(Command::new(Host::program()).args(["up", "--help"]));
    let files = [
        ("container/Containerfile", "\nCMD ["),
        ("kubernetes/statefulset.yaml", "args:"),
        ("nomad/virtualworldport.nomad.hcl", "args = ["),
        ("systemd/virtualworldport.service", "ExecStart="),
    ];
    for (file, start) in files {
        let text = std::fs::read_to_string(project().join("infra").join(file)).expect("a file");
        let (_, arguments) = text.split_once(start).expect("it runs the program");
        let words = arguments.split(|letter: char| letter.is_whitespace() || "\"=,".contains(letter));
        let options: Vec<&str> = words.filter(|word| word.starts_with("--")).collect();
        assert!(options.contains(&"--state-dir"), "{file}: {options:?}");
        for option in options {
            assert!(help.contains(option), "{file}: there is no option {option}");
        }
    }
}

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn what_goes_into_a_container_runs_in_an_empty_root_as_nobody() {
    if !Kind::chosen().is_vwp() || std::env::var_os("VWP_BIN").is_some() {
        return;
    }
    if !rustix::process::geteuid().is_root() {
        return tools::skip("the container's contents", "an empty root takes the superuser");
    }
    let scratch = tempfile::tempdir().expect("a folder");
    let root = scratch.path().join("root");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut image = Command::new(cargo);
    image.args(["xtask", "image"]).arg(&root).current_dir(project());
    let _ = tools::run(&mut image);
    let linked = tools::output(Command::new("ldd").arg(root.join("vwp")));
    assert!(tools::shown(&linked).contains("statically linked"), "{}", tools::shown(&linked));

    // Names that only this root knows.
    std::fs::create_dir_all(root.join("etc")).expect("a folder");
    std::fs::write(root.join("etc/hosts"), "127.0.0.1 port.internal\n").expect("written");
    // Devices that every container is given (OCI runtime specification, default devices).
    std::fs::create_dir(root.join("dev")).expect("a folder");
    for (name, minor) in [("random", "8"), ("urandom", "9")] {
        let mut device = Command::new("mknod");
        let _ =
            tools::run(device.args(["-m", "0666"]).arg(root.join("dev").join(name)).args(["c", "1", minor]));
    }
    std::fs::create_dir(root.join("data")).expect("a folder");
    std::os::unix::fs::chown(root.join("data"), Some(65532), Some(65532)).expect("given away");
    for folder in [scratch.path(), &root] {
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder, open).expect("others may enter");
    }
    let (listen, health) = (free_address(), free_address());
    let mut serve = inside(&root);
    serve.args(["up", "--from", "/app/spin.toml", "--state-dir", "/data"]);
    serve.args(["--listen", &listen.to_string(), "--dns-listen", "127.0.0.1:0"]);
    serve.args(["--health-listen", &health.to_string()]).stdin(Stdio::null());
    let _running = Running(serve.spawn().expect("it starts"));
    let probes = Http::new(&format!("http://{health}"));
    let ready = || probes.try_send(&Call::get("/readyz")).is_ok_and(|reply| reply.status == 200);
    eventually("the container is ready", ready);
    let report = probes.send(&Call::get("/readyz")).expect(200).json();
    assert_eq!(report["machines"], json!({"ledger": "ok"}));

    let port = Http::new(&format!("http://{listen}"));
    let traveller = json!({"handle": "ada", "password": "correct horse battery staple"});
    let _ = port.send(&Call::json("/v1/travellers", &traveller)).expect(201);
    // A name is looked up by what is in the program.
    let url = format!("http://port.internal:{}", listen.port());
    let _ = tools::run(inside(&root).args(["world", "search", "--url", &url, "--json"]));
    let summary =
        tools::run(inside(&root).args(["backup", "--state-dir", "/data", "--json", "/data/backup"]));
    let summary: Value = serde_json::from_str(&summary).expect("JSON");
    assert!(summary["entries"].as_u64() > Some(0), "{summary}");
}

/// The program in the empty root, as the user of a container.
fn inside(root: &Path) -> Command {
    let mut command = Command::new("chroot");
    command.arg(format!("--userspec={USER}:{USER}")).arg(root).arg("/vwp");
    command
}
