//! Chromium, driven over W3C WebDriver, with authenticators that its developer tools pretend to
//! (Web Authentication Level 3, section 12.7).

use crate::foreign::{Place, Server};
use crate::tools;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;
use ureq::http::Response;
use ureq::{Agent, Body};

/// How long one command may take: a page's script waits for the port in some.
const COMMAND_MAX: Duration = Duration::from_mins(1);
/// How often the driver is asked for a session.
const BEGINNINGS_MAX: u32 = 3;
/// What names an element in an answer (WebDriver, section 12).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// The longest answer that is read, in bytes.
const ANSWER_LENGTH_MAX: u64 = 16 * 1024 * 1024;

/// A browser with one window.
#[derive(Debug)]
pub struct Browser {
    agent: Agent,
    session: String,
    _driver: Server,
}

/// An element of a page.
#[derive(Debug, Clone)]
pub struct Element(String);

impl Browser {
    /// A new browser, if there is one on this machine.
    pub fn start() -> Option<Self> {
        if !tools::require("chromium", "chromium") || !tools::require("chromedriver", "chromium-driver") {
            return None;
        }
        let place = Place::new();
        let profile = place.path("profile");
        let port = place.address.port();
        let mut command = Command::new("chromedriver");
        command.arg(format!("--port={port}")).env("HOME", place.folder());
        let agent = agent();
        let driver = place.start(&mut command, |address| is_ready(&agent, address));
        let options = json!({ "args": [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            format!("--user-data-dir={}", profile.display()),
        ] });
        let capabilities = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "webauthn:virtualAuthenticators": true,
        } } });
        let root = format!("http://{}", driver.address());
        let begun = begin(&agent, &format!("{root}/session"), &capabilities);
        let id = begun["sessionId"].as_str().expect("the driver names its session");
        Some(Self { session: format!("{root}/session/{id}"), agent, _driver: driver })
    }

    /// Loads a page.
    pub fn open(&self, url: &str) {
        self.command("POST", "/url", Some(&json!({ "url": url })));
    }

    /// The element with an id.
    #[track_caller]
    pub fn element(&self, id: &str) -> Element {
        let by = json!({ "using": "css selector", "value": format!("#{id}") });
        let found = self.command("POST", "/element", Some(&by));
        Element(found[ELEMENT].as_str().unwrap_or_else(|| panic!("no element {id}: {found}")).to_owned())
    }

    /// Types into an element, after what is there was removed.
    pub fn fill(&self, id: &str, text: &str) {
        let Element(element) = self.element(id);
        self.command("POST", &format!("/element/{element}/clear"), Some(&json!({})));
        self.command("POST", &format!("/element/{element}/value"), Some(&json!({ "text": text })));
    }

    /// Clicks on an element.
    pub fn click(&self, id: &str) {
        let Element(element) = self.element(id);
        self.command("POST", &format!("/element/{element}/click"), Some(&json!({})));
    }

    /// Sends a form, as its button does.
    pub fn click_submit(&self, form: &str) {
        let by = json!({ "using": "css selector", "value": format!("#{form} button[type=submit]") });
        let found = self.command("POST", "/element", Some(&by));
        let element = found[ELEMENT].as_str().unwrap_or_else(|| panic!("no button in {form}: {found}"));
        self.command("POST", &format!("/element/{element}/click"), Some(&json!({})));
    }

    /// What a person sees of an element; nothing if it is hidden.
    pub fn text(&self, id: &str) -> String {
        let Element(element) = self.element(id);
        let text = self.command("GET", &format!("/element/{element}/text"), None);
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Runs the body of a function in the page, and gives out what its promise becomes, or
    /// `{"error": …}`.
    pub fn run(&self, body: &str, argument: &Value) -> Value {
        let script = format!(
            "const [argument, done] = arguments;
             (async () => {{ {body} }})().then(done, (error) => done({{ error: String(error) }}));"
        );
        self.command("POST", "/execute/async", Some(&json!({ "script": script, "args": [argument] })))
    }

    /// Plugs an authenticator in that holds passkeys, and whose user touches it when asked: one that
    /// is part of the machine and verifies its user, or a key on a cable that cannot.
    pub fn add_authenticator(&self, verifies_user: bool) -> String {
        let authenticator = json!({
            "protocol": "ctap2",
            "transport": if verifies_user { "internal" } else { "usb" },
            "hasResidentKey": true,
            "hasUserVerification": verifies_user,
            "isUserConsenting": true,
            "isUserVerified": verifies_user,
        });
        let id = self.command("POST", "/webauthn/authenticator", Some(&authenticator));
        id.as_str().expect("the driver names the authenticator").to_owned()
    }

    /// Unplugs an authenticator.
    pub fn remove_authenticator(&self, authenticator: &str) {
        self.command("DELETE", &format!("/webauthn/authenticator/{authenticator}"), None);
    }

    /// Puts a passkey into an authenticator, as [`Browser::credentials`] gave it out.
    pub fn add_credential(&self, authenticator: &str, credential: &Value) {
        let path = format!("/webauthn/authenticator/{authenticator}/credential");
        self.command("POST", &path, Some(credential));
    }

    /// The passkeys in an authenticator.
    pub fn credentials(&self, authenticator: &str) -> Vec<Value> {
        let path = format!("/webauthn/authenticator/{authenticator}/credentials");
        self.command("GET", &path, None).as_array().cloned().unwrap_or_default()
    }

    #[track_caller]
    fn command(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        command_of(&self.agent, method, &format!("{}{path}", self.session), body)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends its browser with the session; without it, the browser would stay.
        let _ = self.agent.delete(&self.session).call();
    }
}

fn agent() -> Agent {
    let config = Agent::config_builder().timeout_global(Some(COMMAND_MAX)).http_status_as_error(false);
    config.proxy(None).build().new_agent()
}

/// Whether the driver says that it takes a new session (WebDriver, section 8.3).
fn is_ready(agent: &Agent, address: SocketAddr) -> bool {
    agent.get(format!("http://{address}/status")).call().is_ok_and(|answer| answer.status().is_success())
}

/// Begins a session. On a machine that is busy the driver may drop the connection before there is
/// one, and then it is asked again.
#[track_caller]
fn begin(agent: &Agent, url: &str, capabilities: &Value) -> Value {
    for _ in 1..BEGINNINGS_MAX {
        match send(agent, "POST", url, Some(capabilities)) {
            Ok(answer) => return value_of("POST", url, answer),
            Err(error) => eprintln!("the driver is asked for a session once more: {error}"),
        }
    }
    command_of(agent, "POST", url, Some(capabilities))
}

/// Sends a command to the driver, and gives out its value.
#[track_caller]
fn command_of(agent: &Agent, method: &str, url: &str, body: Option<&Value>) -> Value {
    let answer = send(agent, method, url, body);
    value_of(method, url, answer.unwrap_or_else(|error| panic!("{method} {url}: {error}")))
}

fn send(agent: &Agent, method: &str, url: &str, body: Option<&Value>) -> Result<Response<Body>, ureq::Error> {
    let request = ureq::http::Request::builder().method(method).uri(url);
    match body {
        Some(body) => {
            agent.run(request.header("content-type", "application/json").body(body.to_string()).unwrap())
        }
        None => agent.run(request.body(()).unwrap()),
    }
}

#[track_caller]
fn value_of(method: &str, url: &str, mut answer: Response<Body>) -> Value {
    let text = answer.body_mut().with_config().limit(ANSWER_LENGTH_MAX).read_to_vec();
    let text = text.unwrap_or_else(|error| panic!("{method} {url}: {error}"));
    let mut json: Value = serde_json::from_slice(&text).unwrap_or_default();
    let status = answer.status();
    assert!(status.is_success(), "{method} {url}: {status} {json}");
    json["value"].take()
}

/// An address for a deployment that a browser reaches as `localhost`, because a passkey needs a
/// domain and a browser counts this one as secure (Secure Contexts, section 3.1).
pub fn localhost() -> (SocketAddr, String) {
    let address = crate::foreign::free_address();
    (address, format!("http://localhost:{}", address.port()))
}
