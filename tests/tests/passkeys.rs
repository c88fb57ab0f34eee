//! Passkeys in a real browser, on the page that the port serves: a person adds one, signs in with
//! it, and is refused whatever Web Authentication says must be refused.

use serde_json::{Value, json};
use vwp_tests::browser::{Browser, localhost};
use vwp_tests::host::Host;
use vwp_tests::http::Call;
use vwp_tests::kind::Kind;
use vwp_tests::people::{self, sign_up};
use vwp_tests::{eventually, tools, unique};

const PASSWORD: &str = "correct horse battery staple";

/// Begins a sign-in, lets the browser answer, and sends the answer so many times. Gives out what
/// the port said each time.
const SIGN_IN: &str = r#"
    const post = async (path, body) => {
        const answer = await fetch(path, {
            method: "POST",
            headers: { "content-type": "application/json" },
            body: JSON.stringify(body),
        });
        return { status: answer.status, ...(await answer.json()) };
    };
    const begun = await post("/v1/passkeys/sessions/options", {});
    const options = { ...begun.publicKey, ...(argument.options ?? {}) };
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
    const credential = (await navigator.credentials.get({ publicKey })).toJSON();
    const finished = { ceremony: begun.ceremony, credential };
    const send = () => post("/v1/passkeys/sessions", finished);
    if (argument.at_once) return await Promise.all([send(), send()]);
    const answers = [];
    for (let count = 0; count < (argument.times ?? 1); count++) answers.push(await send());
    return answers;
"#;

/// Registers a passkey with a session that the test opened, and gives out what the port said.
const REGISTER: &str = r#"
    const post = async (path, body) => {
        const answer = await fetch(path, {
            method: "POST",
            headers: { "content-type": "application/json", authorization: `Bearer ${argument.token}` },
            body: JSON.stringify(body),
        });
        return { status: answer.status, ...(await answer.json()) };
    };
    const begun = await post("/v1/passkeys/options", { name: "phone" });
    const { extensions, ...options } = begun.publicKey;
    if (argument.userVerification === "discouraged") {
        options.authenticatorSelection = { userVerification: "discouraged", residentKey: "discouraged" };
    }
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
    const credential = (await navigator.credentials.create({ publicKey })).toJSON();
    return await post("/v1/passkeys", { ceremony: begun.ceremony, credential });
"#;

/// A deployment with a domain, if the tests may start one, and a browser on its page.
fn start() -> Option<(Host, String, Browser)> {
    if std::env::var_os("VWP_URL").is_some_and(|url| !url.is_empty()) {
        tools::skip("passkeys", "the deployment is another one's, and may have no domain");
        return None;
    }
    let browser = Browser::start()?;
    let (address, url) = localhost();
    // On Spin the last value of a variable stands too.
    let host = Host::start_at(address, &["--variable".to_owned(), format!("issuer={url}")]);
    assert_eq!(host.issuer, url, "{:?}", Kind::chosen());
    Some((host, url, browser))
}

fn eventually_says(browser: &Browser, id: &str, text: &str) {
    eventually(&format!("#{id} says {text:?}"), || browser.text(id).contains(text));
}

/// Signs up, signs in on the page with the password, and adds a passkey there.
fn add_passkey(host: &Host, url: &str, browser: &Browser) -> String {
    let handle = unique("ada").replace('-', "");
    assert_eq!(sign_up(host, &handle, PASSWORD).status, 201);
    browser.open(&format!("{url}/signin"));
    browser.fill("handle", &handle);
    browser.fill("password", PASSWORD);
    browser.click_submit("password-form");
    eventually_says(browser, "who", &handle);
    browser.fill("name", "test phone");
    browser.click_submit("add-form");
    eventually_says(browser, "passkeys", "test phone");
    handle
}

fn sign_in(browser: &Browser, argument: &Value) -> Vec<Value> {
    let answers = browser.run(SIGN_IN, argument);
    answers.as_array().cloned().unwrap_or_else(|| panic!("the ceremony failed: {answers}"))
}

fn slug(answer: &Value) -> &str {
    answer["type"].as_str().and_then(|uri| uri.rsplit(':').next()).unwrap_or_default()
}

#[test]
fn a_person_adds_a_passkey_on_the_page_and_signs_in_with_it() {
    let Some((host, url, browser)) = start() else { return };
    let authenticator = browser.add_authenticator(true);
    let handle = add_passkey(&host, &url, &browser);
    let credentials = browser.credentials(&authenticator);
    assert_eq!(credentials.len(), 1);
    assert_eq!(credentials[0]["isResidentCredential"], true);
    assert_eq!(credentials[0]["rpId"], "localhost");
    browser.click("sign-out");
    eventually("nobody is signed in", || browser.text("who").is_empty());
    browser.click("passkey");
    eventually_says(&browser, "who", &handle);
}

#[test]
fn a_person_signs_in_with_a_passkey_where_worlds_are_let_in() {
    let Some((host, url, browser)) = start() else { return };
    browser.add_authenticator(true);
    add_passkey(&host, &url, &browser);
    browser.open(&format!("{url}/oauth/account"));
    browser.click("passkey");
    eventually("the account is shown", || {
        browser.run("return document.title;", &json!({})) == "Where you are signed in"
    });
}

#[test]
fn a_browser_offers_the_passkey_where_the_handle_is_typed() {
    let Some((host, url, browser)) = start() else { return };
    browser.add_authenticator(true);
    let handle = add_passkey(&host, &url, &browser);
    // The authenticator's user accepts whatever is offered, so the page signs in by itself.
    browser.open(&format!("{url}/signin"));
    eventually_says(&browser, "who", &handle);
}

#[test]
fn an_answer_is_taken_once_in_turn_and_at_once() {
    let Some((host, url, browser)) = start() else { return };
    browser.add_authenticator(true);
    add_passkey(&host, &url, &browser);
    let answers = sign_in(&browser, &json!({ "times": 2 }));
    assert_eq!((answers[0]["status"].as_u64(), slug(&answers[1])), (Some(200), "ceremony-ended"));
    let answers = sign_in(&browser, &json!({ "at_once": true }));
    let taken = answers.iter().filter(|answer| answer["status"] == 200).count();
    assert_eq!(taken, 1, "{answers:?}");
}

#[test]
fn a_user_who_is_not_verified_is_refused_at_registration_and_at_sign_in() {
    let Some((host, url, browser)) = start() else { return };
    let authenticator = browser.add_authenticator(true);
    let handle = unique("ada").replace('-', "");
    assert_eq!(sign_up(&host, &handle, PASSWORD).status, 201);
    let token = people::sign_in(&host, &handle, PASSWORD).expect(200).text("access_token");
    browser.open(&format!("{url}/signin"));
    // The page asks the browser for less than the port requires: neither to verify the user, nor to
    // have the authenticator insist on it.
    let registered = browser.run(REGISTER, &json!({ "token": token, "userVerification": "required" }));
    assert_eq!(registered["status"], 201, "{registered}");
    // The same passkey, in an authenticator that does not verify anybody.
    let passkey = browser.credentials(&authenticator)[0].clone();
    browser.remove_authenticator(&authenticator);
    let authenticator = browser.add_authenticator(false);
    browser.add_credential(&authenticator, &passkey);
    // Named, because a passkey may be kept from whoever does not verify the user unless it is.
    let allowed = json!([{ "type": "public-key", "id": passkey["credentialId"] }]);
    let options = json!({ "userVerification": "discouraged", "allowCredentials": allowed });
    let answers = sign_in(&browser, &json!({ "options": options }));
    assert_eq!(slug(&answers[0]), "user-not-verified", "{answers:?}");
    browser.remove_authenticator(&authenticator);
    browser.add_authenticator(false);
    let refused = browser.run(REGISTER, &json!({ "token": token, "userVerification": "discouraged" }));
    assert_eq!(slug(&refused), "user-not-verified", "{refused}");
}

#[test]
fn a_page_of_another_origin_is_refused_with_the_same_passkey() {
    let Some((host, url, browser)) = start() else { return };
    browser.add_authenticator(true);
    add_passkey(&host, &url, &browser);
    // A page at another port of the same domain may use the passkey, as far as browsers go.
    let (address, other) = localhost();
    let deceiver = Host::start_at(address, &["--variable".to_owned(), format!("issuer={other}")]);
    // Not its page, which would begin a ceremony of its own.
    browser.open(&format!("{other}/signin/page.css"));
    let begun = host.http.send(&Call::json("/v1/passkeys/sessions/options", &json!({}))).expect(200).json();
    let answer = browser.run(
        "const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(argument);
         return (await navigator.credentials.get({ publicKey })).toJSON();",
        &begun["publicKey"],
    );
    assert!(answer["error"].is_null(), "{answer}");
    let finished = json!({ "ceremony": begun["ceremony"], "credential": answer });
    host.http.send(&Call::json("/v1/passkeys/sessions", &finished)).expect_problem(401, "wrong-origin");
    drop(deceiver);
}
