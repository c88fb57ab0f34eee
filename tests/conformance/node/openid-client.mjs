// A world's web server made of `openid-client`: it proves who it is with a key, pushes its requests,
// and binds its tokens with DPoP. Reads what to do as JSON from the first argument and prints what
// it found as JSON.
import { importJWK } from 'jose';
import * as client from 'openid-client';
import { Browser } from './browser.mjs';

const task = JSON.parse(process.argv[2]);

const config = await client.discovery(
  new URL(task.issuer),
  task.client,
  undefined,
  client.PrivateKeyJwt({ key: await importJWK(task.key, 'ES256'), kid: task.kid }),
  { execute: [client.allowInsecureRequests] },
);
const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'));
const browser = new Browser(task.issuer, task.handle, task.password);

async function logIn(scope) {
  const pkceCodeVerifier = client.randomPKCECodeVerifier();
  const [expectedState, expectedNonce] = [client.randomState(), client.randomNonce()];
  const parameters = {
    redirect_uri: task.redirect_uri,
    scope,
    state: expectedState,
    nonce: expectedNonce,
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
  };
  const url = await client.buildAuthorizationUrlWithPAR(config, parameters, { DPoP });
  const callback = await browser.walk(url, { decision: 'allow' });
  const checks = { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true };
  const redeem = () => client.authorizationCodeGrant(config, callback, checks, undefined, { DPoP });
  return { redeem, tokens: await redeem() };
}

// What an attempt is refused with.
async function refusal(attempt) {
  try {
    await attempt();
    return 'nothing';
  } catch (error) {
    return error.error ?? error.cause?.error ?? error.code ?? String(error);
  }
}

const { tokens } = await logIn('openid profile offline_access');
const claims = tokens.claims();
const user = await client.fetchUserInfo(config, tokens.access_token, claims.sub, { DPoP });
const next = await client.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP });
const active = await client.tokenIntrospection(config, next.access_token);
const bearer = await fetch(config.serverMetadata().userinfo_endpoint, {
  headers: { authorization: `Bearer ${next.access_token}` },
});

const reused = await refusal(() =>
  client.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP }),
);
const family = await client.tokenIntrospection(config, next.access_token);

const second = await logIn('openid');
const replayed = await refusal(second.redeem);
const replayedToken = await client.tokenIntrospection(config, second.tokens.access_token);

const third = await logIn('openid');
await client.tokenRevocation(config, third.tokens.access_token);
const revoked = await client.tokenIntrospection(config, third.tokens.access_token);

console.log(
  JSON.stringify({
    claims,
    user,
    token_type: tokens.token_type,
    active,
    bearer: bearer.status,
    reused,
    family: family.active,
    same: second.tokens.claims().sub === claims.sub,
    replayed,
    replayedToken: replayedToken.active,
    revoked: revoked.active,
  }),
);
