//! Server-sent events (WHATWG HTML, section 9.2) of what changes, read by curl as a browser would.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use vwp_tests::host::Host;
use vwp_tests::http::Call;
use vwp_tests::people::Operator;
use vwp_tests::tools;

/// What curl gives up after, in seconds: longer than a stream lasts.
const PATIENCE_S: &str = "60";

/// A stream that is being read, and ends with the test.
struct Stream {
    curl: Child,
}

impl Stream {
    /// Asks for the changes after a cursor, in the way that a browser that lost its connection does.
    fn open(host: &Host, last: &str) -> Self {
        let mut command = Command::new("curl");
        command.args(["--silent", "--no-buffer", "--fail", "--max-time", PATIENCE_S]);
        command.args(["-H", "Accept: text/event-stream", "-H", &format!("Last-Event-ID: {last}")]);
        command.arg(format!("{}/v1/worlds/changes", host.url));
        let curl = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("curl starts");
        Self { curl }
    }

    /// The next event about a world: its id and its kind.
    fn next(&mut self, world: &str) -> (String, String) {
        let (mut id, output) = (String::new(), self.curl.stdout.as_mut().expect("what curl prints"));
        for line in BufReader::new(output).lines() {
            let line = line.expect("a line");
            if let Some(given) = line.strip_prefix("id: ") {
                given.clone_into(&mut id);
            }
            let change = line.strip_prefix("data: ").map(serde_json::from_str::<serde_json::Value>);
            if let Some(change) = change.map(|change| change.expect("JSON"))
                && change["name"] == world
            {
                return (id, change["kind"].as_str().expect("a kind").to_owned());
            }
        }
        panic!("the stream ended without news of {world}");
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let _ = self.curl.kill();
        let _ = self.curl.wait();
    }
}

#[test]
fn whoever_watches_hears_of_a_change_as_it_happens_and_goes_on_after_the_last_one_it_heard() {
    if !tools::require("curl", "curl") {
        return;
    }
    let host = Host::shared();
    let now = host.http.send(&Call::get("/v1/worlds/changes")).expect(200).text("next");
    let mut stream = Stream::open(&host, &now);
    // The stream is open before there is anything to hear of.
    let operator = Operator::registered(&host, "heard");
    let (id, kind) = stream.next(&operator.world);
    assert_eq!(kind, "registered");
    drop(stream);
    let again = host.http.send(&Call::jose("/v1/worlds", operator.record(&host, 2)));
    assert!(again.is_success(), "{}", again.shown());
    let (_, kind) = Stream::open(&host, &id).next(&operator.world);
    assert_eq!(kind, "updated");
}
