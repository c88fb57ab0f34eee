// Signs in with a passkey. The page's form takes the token of the ceremony to the port, which makes it
// a session of this browser.

const form = document.getElementById("passkey-form");
const message = document.getElementById("passkey-message");

async function send(path, body) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { accept: "application/json", "content-type": "application/json" },
    body: JSON.stringify(body),
    cache: "no-store",
  });
  const json = await answer.json();
  if (!answer.ok) throw new Error(json.detail ?? `the port answered ${answer.status}`);
  return json;
}

async function signIn() {
  const begun = await send("/v1/passkeys/sessions/options", {});
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(begun.publicKey);
  const credential = await navigator.credentials.get({ publicKey });
  const finished = { ceremony: begun.ceremony, credential: credential.toJSON() };
  const session = await send("/v1/passkeys/sessions", finished);
  const token = document.createElement("input");
  token.type = "hidden";
  token.name = "access_token";
  token.value = session.access_token;
  form.append(token);
  form.submit();
}

document.getElementById("passkey").addEventListener("click", async () => {
  message.textContent = "";
  try {
    await signIn();
  } catch (error) {
    message.textContent = error.name === "NotAllowedError" ? "The passkey was not used." : error.message;
  }
});

form.hidden = window.PublicKeyCredential?.parseRequestOptionsFromJSON === undefined;
