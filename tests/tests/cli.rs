//! The commands of operators and administrators, as people and scripts use them.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use tempfile::TempDir;
use vwp_tests::host::Host;
use vwp_tests::kind::Kind;
use vwp_tests::{foreign, tools, unique};

/// Somebody with a shell, in a folder with a key.
struct Shell<'a> {
    host: &'a Host,
    folder: TempDir,
}

impl<'a> Shell<'a> {
    fn new(host: &'a Host) -> Self {
        let folder = TempDir::with_prefix("vwp-shell-").expect("a folder");
        let shell = Self { host, folder };
        shell.run(&["key", "new", "operator.jwk"]);
        shell
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.host.shell(arguments);
        command.current_dir(self.folder.path());
        command
    }

    #[track_caller]
    fn run(&self, arguments: &[&str]) -> String {
        tools::run(&mut self.command(arguments))
    }

    fn output(&self, arguments: &[&str]) -> Output {
        tools::output(&mut self.command(arguments))
    }

    /// The lines that a command prints, each as JSON.
    #[track_caller]
    fn lines(&self, arguments: &[&str]) -> Vec<Value> {
        let printed = self.run(arguments);
        printed.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    /// Writes the record of a world; gives out the file.
    fn record(&self, name: &str) -> PathBuf {
        let record = json!({
            "name": name, "title": {"en": format!("World {name}")}, "default_language": "en",
            "tags": ["shell"], "endpoints": [{"transport": "minecraft", "host": "shell.example", "port": 25565}],
        });
        let file = self.folder.path().join(format!("{name}.json"));
        std::fs::write(&file, record.to_string()).expect("a record");
        file
    }

    /// Registers a world.
    #[track_caller]
    fn register(&self, name: &str) {
        let file = self.record(name);
        self.run(&["world", "register", "--key", "operator.jwk", &shown(&file)]);
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[test]
fn a_world_is_registered_found_changed_and_withdrawn_from_a_shell() {
    let host = Host::shared();
    let shell = Shell::new(&host);
    let name = unique("shell");
    let file = shown(&shell.record(&name));
    let registered = shell.lines(&["world", "register", "--json", "--key", "operator.jwk", &file]);
    assert_eq!(registered[0]["name"], name.as_str());
    assert_eq!(registered[0]["seq"], 1);

    let printed = shell.run(&["world", "show", &name]);
    assert!(printed.contains("shell.example"), "{printed}");
    let printed = shell.run(&["world", "search", "--tag", "shell", &name]);
    let lines: Vec<&str> = printed.lines().collect();
    assert!(lines[0].starts_with("NAME ") && lines[1].starts_with(&name), "{printed}");
    assert_eq!(lines.len(), 2, "{printed}");

    shell.run(&["world", "update", "--key", "operator.jwk", "--set", r#"tags:=["shell","changed"]"#, &name]);
    let world = &shell.lines(&["world", "show", "--json", &name])[0];
    assert_eq!((&world["seq"], &world["tags"]), (&json!(2), &json!(["shell", "changed"])));
    assert_eq!(world["title"]["en"], format!("World {name}"), "what is not set stays");

    shell.run(&["world", "withdraw", "--key", "operator.jwk", &name]);
    let gone = shell.output(&["world", "show", &name]);
    assert_eq!(gone.status.code(), Some(3), "{}", tools::shown(&gone));
    // The name is still the operator's, who may use it again.
    shell.run(&["world", "register", "--key", "operator.jwk", &file]);
}

#[test]
fn a_name_is_handed_over_when_both_operators_sign() {
    let host = Host::shared();
    let (shell, other) = (Shell::new(&host), Shell::new(&host));
    let name = unique("shell");
    shell.register(&name);
    let to = other.run(&["key", "id", "operator.jwk"]);
    let early = other.output(&["world", "accept", "--key", "operator.jwk", &name]);
    assert_eq!(early.status.code(), Some(1), "{}", tools::shown(&early));
    shell.run(&["world", "transfer", "--key", "operator.jwk", "--to", to.trim(), &name]);
    other.run(&["world", "accept", "--key", "operator.jwk", &name]);
    let late = shell.output(&["world", "update", "--key", "operator.jwk", &name]);
    assert_eq!(late.status.code(), Some(1), "{}", tools::shown(&late));
    other.record(&name);
    other.run(&["world", "update", "--key", "operator.jwk", "--from", &format!("{name}.json"), &name]);
}

#[test]
fn the_exit_status_says_what_became_of_a_command() {
    let host = Host::shared();
    let (shell, other) = (Shell::new(&host), Shell::new(&host));
    let name = unique("shell");
    shell.register(&name);
    let status = |output: Output| output.status.code();
    assert_eq!(status(shell.output(&["world", "show", &unique("nobody")])), Some(3), "not found");
    assert_eq!(status(shell.output(&["world", "show"])), Some(2), "a command line that is wrong");
    assert_eq!(status(shell.output(&["world", "search", "--sort", "beauty"])), Some(2));
    let file = shown(&other.record(&name));
    let taken = ["world", "register", "--key", "operator.jwk", &file];
    assert_eq!(status(other.output(&taken)), Some(1), "the name is taken");
    let nowhere = format!("http://{}", foreign::free_address());
    assert_eq!(status(shell.output(&["world", "show", "--url", &nowhere, &name])), Some(4), "out of reach");
    let mut command = shell.command(&["zone", "status"]);
    assert_eq!(
        status(tools::output(command.env("VWP_ADMIN_TOKEN", "wrong"))),
        Some(1),
        "not the administrator"
    );
}

#[test]
fn a_search_prints_a_line_of_json_for_each_world_and_reads_every_page() {
    let host = Host::shared();
    let shell = Shell::new(&host);
    let word = unique("crowd");
    for index in 0..5 {
        shell.register(&format!("{word}-{index}"));
    }
    let names = |worlds: Vec<Value>| -> Vec<String> {
        worlds.iter().map(|world| world["name"].as_str().expect("a name").to_owned()).collect()
    };
    let mut all = names(shell.lines(&["world", "search", "--json", "--all", "--max", "100", &word]));
    all.sort();
    assert_eq!(all, (0..5).map(|index| format!("{word}-{index}")).collect::<Vec<_>>());
    let few = shell.output(&["world", "search", "--json", "--limit", "2", &word]);
    let said = String::from_utf8_lossy(&few.stderr).into_owned();
    let cursor = said.trim().rsplit(' ').next().expect("where the next page starts").to_owned();
    let mut pages = names(
        String::from_utf8_lossy(&few.stdout)
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect(),
    );
    pages.extend(names(
        shell.lines(&["world", "search", "--json", "--limit", "10", "--cursor", &cursor, &word]),
    ));
    pages.sort();
    assert_eq!(pages, all, "two pages");
}

/// A watch that runs, and ends with the test.
struct Watch(Child);

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_watch_shows_every_change_once_and_goes_on_where_it_ended() {
    let host = Host::shared();
    let shell = Shell::new(&host);
    let name = unique("watched");
    let follow = |since: &str, count: usize| -> (Vec<String>, String) {
        let mut command = shell.command(&["world", "watch", "--json", "--since", since]);
        let mut watch = Watch(command.stdout(Stdio::piped()).spawn().expect("the watch starts"));
        let lines = BufReader::new(watch.0.stdout.take().expect("what it prints")).lines();
        let changes = lines.map(|line| serde_json::from_str::<Value>(&line.expect("a line")).expect("JSON"));
        // Other tests register worlds at the same time.
        let own: Vec<Value> = changes.filter(|change| change["name"] == name.as_str()).take(count).collect();
        let cursor = own.last().and_then(|change| change["cursor"].as_str()).expect("a cursor").to_owned();
        (own.iter().map(|change| change["kind"].as_str().expect("a kind").to_owned()).collect(), cursor)
    };
    let now = host.http.send(&vwp_tests::http::Call::get("/v1/worlds/changes")).expect(200).text("next");
    shell.register(&name);
    shell.run(&["world", "update", "--key", "operator.jwk", "--set", "tags:=[]", &name]);
    let (kinds, cursor) = follow(&now, 2);
    assert_eq!(kinds, ["registered", "updated"]);
    shell.run(&["world", "withdraw", "--key", "operator.jwk", &name]);
    assert_eq!(follow(&cursor, 1).0, ["withdrawn"]);
}

#[test]
fn what_one_port_exported_another_one_with_its_name_takes_in() {
    if !Kind::chosen().is_vwp() {
        return;
    }
    let issuer = ["--variable", "issuer=https://port.example"];
    let (old, new) = (Host::start_with(&issuer), Host::start_with(&issuer));
    let shell = Shell::new(&old);
    let names: Vec<String> = (0..5).map(|_| unique("moved")).collect();
    for name in &names {
        shell.register(name);
    }
    shell.run(&["world", "export", "worlds.jsonl"]);
    let mut import = new.shell(&["world", "import", "--format", "records", "worlds.jsonl"]);
    let printed = tools::run(import.current_dir(shell.folder.path()));
    assert!(printed.starts_with("registered 5, updated 0, refused 0"), "{printed}");
    for name in &names {
        let shown = tools::run(&mut new.shell(&["world", "show", "--json", name]));
        let world: Value = serde_json::from_str(&shown).expect("a world");
        let before = &shell.lines(&["world", "show", "--json", name])[0];
        assert_eq!(world["record"], before["record"], "the operator's own signature moved along");
    }
}

#[test]
fn shells_can_complete_every_command() {
    for name in ["bash", "zsh", "fish"] {
        let script = tools::run(Command::new(Host::program()).args(["completions", name]));
        for word in ["world", "zone", "secondaries", "tsig-keys", "search"] {
            assert!(script.contains(word), "{name} does not complete {word}");
        }
    }
    let folder = TempDir::with_prefix("vwp-shell-").expect("a folder");
    let file = folder.path().join("vwp.bash");
    std::fs::write(&file, tools::run(Command::new(Host::program()).args(["completions", "bash"])))
        .expect("a file");
    tools::run(Command::new("bash").arg("-n").arg(&file));
}
