// The page's ceremonies. The access token stays in this module: nothing is kept in the browser.

const find = (id) => document.getElementById(id);
let token = null;
let waiting = null;

function say(text) {
  find("message").textContent = text;
}

async function send(method, path, body) {
  const headers = { accept: "application/json" };
  if (body !== undefined) headers["content-type"] = "application/json";
  if (token !== null) headers.authorization = `Bearer ${token}`;
  const answer = await fetch(path, {
    method,
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
    cache: "no-store",
  });
  const text = await answer.text();
  const json = text === "" ? null : JSON.parse(text);
  if (!answer.ok) throw new Error(json?.detail ?? `the port answered ${answer.status}`);
  return json;
}

/** Runs what a person asked for, and says what went wrong. */
async function attempt(work) {
  say("");
  try {
    await work();
  } catch (error) {
    // The person closed the browser's dialogue, or another ceremony took its place.
    if (error.name === "AbortError") return;
    say(error.name === "NotAllowedError" ? "The passkey was not used." : error.message);
  }
}

function hasPasskeys() {
  return window.PublicKeyCredential?.parseRequestOptionsFromJSON !== undefined;
}

/** Ends the ceremony that waits in the handle's field, because a browser runs one at a time. */
function stopWaiting() {
  waiting?.abort();
  waiting = null;
}

async function signInWithPasskey(mediation) {
  stopWaiting();
  const controller = new AbortController();
  if (mediation === "conditional") waiting = controller;
  const begun = await send("POST", "/v1/passkeys/sessions/options");
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(begun.publicKey);
  const credential = await navigator.credentials.get({ publicKey, mediation, signal: controller.signal });
  const finished = { ceremony: begun.ceremony, credential: credential.toJSON() };
  await arrive(await send("POST", "/v1/passkeys/sessions", finished));
}

async function signInWithPassword(form) {
  stopWaiting();
  const { handle, password } = Object.fromEntries(new FormData(form));
  await arrive(await send("POST", "/v1/sessions", { handle, password }));
  form.reset();
}

async function addPasskey(form) {
  const { name } = Object.fromEntries(new FormData(form));
  const begun = await send("POST", "/v1/passkeys/options", { name });
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(begun.publicKey);
  const credential = await navigator.credentials.create({ publicKey });
  await send("POST", "/v1/passkeys", { ceremony: begun.ceremony, credential: credential.toJSON() });
  form.reset();
  await showPasskeys();
  say("The passkey was added.");
}

async function makeCodes() {
  const { codes } = await send("POST", "/v1/recovery/codes");
  find("code-list").replaceChildren(...codes.map(item));
  say("Keep these codes where only you find them. They are not shown again.");
}

function item(text) {
  const element = document.createElement("li");
  element.textContent = text;
  return element;
}

const NOTICES = {
  "recovery-pending": (notice) =>
    `Somebody has asked to recover this account. It will be possible from ${new Date(notice.ready_at)} on.`,
  "recovery-code-used": (notice) => `A recovery code was used. ${notice.left} are left.`,
  "add-passkey": () => "Add a second passkey, so that losing one device does not lock you out.",
  "passkey-counter-regressed": (notice) =>
    `The passkey “${notice.passkey}” may have been copied. Remove it, and add a new one.`,
};

function showNotice(notice) {
  const element = item(NOTICES[notice.notice]?.(notice) ?? notice.notice);
  if (notice.notice === "recovery-pending") {
    element.append(button("That was not me", async () => {
      await send("DELETE", "/v1/recovery/requests/current");
      element.remove();
    }));
  }
  return element;
}

function button(text, work) {
  const element = document.createElement("button");
  element.type = "button";
  element.textContent = text;
  element.addEventListener("click", () => attempt(work));
  return element;
}

async function showPasskeys() {
  const { passkeys } = await send("GET", "/v1/passkeys");
  const shown = passkeys.map((passkey) => {
    const element = item(`${passkey.name} `);
    element.append(button("Remove", async () => {
      await send("DELETE", `/v1/passkeys/${passkey.id}`);
      await showPasskeys();
    }));
    return element;
  });
  find("passkeys").replaceChildren(...shown);
}

/** An account that was proved and that nobody has linked, until the person says whose it is. */
let registration = null;

const RETURN = "/signin/upstream/";

async function showProviders() {
  const { providers } = await send("GET", "/v1/upstream");
  const shown = providers.map((provider) => button(`Sign in with ${provider.title}`, async () => {
    stopWaiting();
    const begun = await send("POST", "/v1/upstream/authorizations", { provider: provider.name });
    location.assign(begun.authorization_url);
  }));
  find("providers").replaceChildren(...shown);
}

/** Ends a sign-in with what a provider sent the browser back with. */
async function comeBack(name, given) {
  const returned = { provider: name, state: given.get("state") ?? "" };
  for (const member of ["code", "iss", "error"]) {
    if (given.has(member)) returned[member] = given.get(member);
  }
  const answer = await send("POST", "/v1/upstream/sessions", returned);
  if (answer.registration === undefined) return await arrive(answer);
  registration = answer;
  find("new-provider").textContent = answer.title;
  find("link").textContent = `Link the account of ${answer.title}`;
  find("link").hidden = false;
  find("new").hidden = false;
}

function forgetRegistration() {
  registration = null;
  find("link").hidden = true;
  find("new").hidden = true;
}

async function signUpWithAccount(form) {
  const { handle } = Object.fromEntries(new FormData(form));
  const body = { registration: registration.registration, handle };
  const session = await send("POST", "/v1/upstream/travellers", body);
  forgetRegistration();
  await arrive(session);
}

async function linkAccount() {
  await send("POST", "/v1/upstream/links", { registration: registration.registration });
  forgetRegistration();
  await showLinks();
  say("The account was linked.");
}

async function showLinks() {
  const { links } = await send("GET", "/v1/upstream/links");
  const shown = links.map((link) => {
    const element = item(`${link.subject} at ${link.issuer} `);
    element.append(button("Remove", async () => {
      await send("DELETE", `/v1/upstream/links/${link.id}`);
      await showLinks();
    }));
    return element;
  });
  find("links").replaceChildren(...shown);
}

async function arrive(session) {
  token = session.access_token;
  const me = await send("GET", "/v1/travellers/me");
  find("who").textContent = me.handle;
  find("notices").replaceChildren(...(session.notices ?? []).map(showNotice));
  await showPasskeys();
  await showLinks();
  find("new").hidden = true;
  find("out").hidden = true;
  find("in").hidden = false;
}

async function signOut() {
  await send("DELETE", "/v1/sessions/current");
  token = null;
  find("code-list").replaceChildren();
  find("in").hidden = true;
  find("out").hidden = false;
}

function onSubmit(id, work) {
  find(id).addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(() => work(event.target));
  });
}

onSubmit("password-form", signInWithPassword);
onSubmit("add-form", addPasskey);
onSubmit("new-form", signUpWithAccount);
find("link").addEventListener("click", () => attempt(linkAccount));
find("codes").addEventListener("click", () => attempt(makeCodes));
find("sign-out").addEventListener("click", () => attempt(signOut));
find("passkey").addEventListener("click", () => attempt(() => signInWithPasskey("optional")));

const isReturn = location.pathname.startsWith(RETURN);
attempt(showProviders);
if (isReturn) {
  const [name, given] = [location.pathname.slice(RETURN.length), new URLSearchParams(location.search)];
  // The code does not stay in the browser's history.
  history.replaceState(null, "", "/signin");
  await attempt(() => comeBack(name, given));
}

if (!hasPasskeys()) {
  find("passkey").hidden = true;
  find("add-form").hidden = true;
} else if (!isReturn && await PublicKeyCredential.isConditionalMediationAvailable?.()) {
  attempt(() => signInWithPasskey("conditional"));
}
