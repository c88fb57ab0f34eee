// A game made of `oauth4webapi`: a public client in a browser and on a console, and the game's server,
// which verifies access tokens offline. Reads what to do as JSON from the first argument and prints
// what it found as JSON.
import * as oauth from 'oauth4webapi';
import { Browser } from './browser.mjs';

const task = JSON.parse(process.argv[2]);
const insecure = { [oauth.allowInsecureRequests]: true };
const issuer = new URL(task.issuer);
const found = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure });
const server = await oauth.processDiscoveryResponse(issuer, found);
const browser = new Browser(task.issuer, task.handle, task.password);

async function refusal(attempt) {
  try {
    await attempt();
    return 'nothing';
  } catch (error) {
    return error.error ?? error.code ?? String(error);
  }
}

// In a browser.
const client = { client_id: task.client };
const verifier = oauth.generateRandomCodeVerifier();
const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()];
const url = new URL(server.authorization_endpoint);
url.search = new URLSearchParams({
  client_id: task.client,
  response_type: 'code',
  redirect_uri: task.redirect_uri,
  scope: 'openid profile',
  state,
  nonce,
  code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
});
const callback = await browser.walk(url, { decision: 'allow' });
const answer = oauth.validateAuthResponse(server, client, callback, state);
const mixedUp = new URL(callback);
mixedUp.searchParams.set('iss', 'https://other.example');
const mix = await refusal(() => oauth.validateAuthResponse(server, client, mixedUp, state));
const redeem = (given) =>
  oauth.authorizationCodeGrantRequest(
    server,
    client,
    oauth.None(),
    answer,
    task.redirect_uri,
    given,
    insecure,
  );
const wrong = await (await redeem(oauth.generateRandomCodeVerifier())).json();
const tokens = await oauth.processAuthorizationCodeResponse(server, client, await redeem(verifier), {
  expectedNonce: nonce,
  requireIdToken: true,
});
const claims = oauth.getValidatedIdTokenClaims(tokens);
const user = await oauth.processUserInfoResponse(
  server,
  client,
  claims.sub,
  await oauth.userInfoRequest(server, client, tokens.access_token, insecure),
);
const request = new Request('https://game.example/', {
  headers: { authorization: `Bearer ${tokens.access_token}` },
});
const access = await oauth.validateJwtAccessToken(server, request, task.audience, insecure);
const elsewhere = await refusal(() =>
  oauth.validateJwtAccessToken(server, request, 'urn:vwp:world:another', insecure),
);

// On a console.
const console_ = { client_id: task.device_client };
const asked = await oauth.processDeviceAuthorizationResponse(
  server,
  console_,
  await oauth.deviceAuthorizationRequest(
    server,
    console_,
    oauth.None(),
    { scope: 'openid offline_access' },
    insecure,
  ),
);
const poll = async () =>
  oauth.processDeviceCodeResponse(
    server,
    console_,
    await oauth.deviceCodeGrantRequest(server, console_, oauth.None(), asked.device_code, insecure),
  );
const pending = await refusal(poll);
const early = await refusal(poll);
const done = await browser.walk(asked.verification_uri_complete, {
  user_code: asked.user_code,
  decision: 'allow',
});
const device = await poll();

console.log(
  JSON.stringify({
    claims,
    user,
    mix,
    wrong: wrong.error,
    access,
    elsewhere,
    pending,
    early,
    done: done.includes('Go back to your device'),
    device: oauth.getValidatedIdTokenClaims(device).sub,
    refresh: typeof device.refresh_token,
  }),
);
