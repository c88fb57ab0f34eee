// A wallet made of `@openid4vc/openid4vci`: it takes an offer and comes by itself, and gets passports,
// which `@sd-jwt/sd-jwt-vc` reads. Reads what to do as JSON from the first argument and prints what it
// found as JSON.
import { createHash, randomBytes } from 'node:crypto';
import { clientAuthenticationNone, setGlobalConfig } from '@openid4vc/oauth2';
import { Openid4vciClient } from '@openid4vc/openid4vci';
import { digest, generateSalt } from '@sd-jwt/crypto-nodejs';
import { SDJwtVcInstance } from '@sd-jwt/sd-jwt-vc';
import {
  SignJWT,
  calculateJwkThumbprint,
  compactVerify,
  createRemoteJWKSet,
  exportJWK,
  generateKeyPair,
} from 'jose';
import { Browser } from './browser.mjs';

const task = JSON.parse(process.argv[2]);
// The port of a test speaks plain HTTP on the loopback interface.
setGlobalConfig({ allowInsecureUrls: true });

const configuration = 'passport';
const privateKeys = new Map();

// A new key, as the library names it.
async function newKey() {
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const publicJwk = await exportJWK(publicKey);
  privateKeys.set(await calculateJwkThumbprint(publicJwk), privateKey);
  return { method: 'jwk', alg: 'ES256', publicJwk };
}

const unused = (what) => () => {
  throw new Error(`${what} is not part of this`);
};
const wallet = new Openid4vciClient({
  callbacks: {
    hash: (data, name) => createHash(name.replace('-', '')).update(data).digest(),
    generateRandom: randomBytes,
    signJwt: async ({ publicJwk }, { header, payload }) => {
      const key = privateKeys.get(await calculateJwkThumbprint(publicJwk));
      const jwt = await new SignJWT(payload).setProtectedHeader(header).sign(key);
      return { jwt, signerJwk: publicJwk };
    },
    clientAuthentication: clientAuthenticationNone({ clientId: task.client }),
    verifyJwt: unused('verifying JWTs'),
    decryptJwe: unused('decryption'),
    encryptJwe: unused('encryption'),
  },
});

// What an attempt is refused with.
async function refusal(attempt) {
  try {
    await attempt();
    return 'nothing';
  } catch (error) {
    const credential = error.response?.credentialErrorResponseResult?.data;
    return error.errorResponse?.error ?? credential?.error ?? String(error);
  }
}

const offer = await wallet.resolveCredentialOffer(task.by_reference);
const byValue = await wallet.resolveCredentialOffer(task.by_value);
const issuerMetadata = await wallet.resolveIssuerMetadata(offer.credential_issuer);
const [authorizationServer] = issuerMetadata.authorizationServers;
const keys = createRemoteJWKSet(new URL(authorizationServer.jwks_uri));

const passports = new SDJwtVcInstance({
  hasher: digest,
  hashAlg: 'sha-256',
  saltGenerator: generateSalt,
  verifier: async (data, signature) => {
    try {
      await compactVerify(`${data}.${signature}`, keys, { algorithms: ['ES256'] });
      return true;
    } catch {
      return false;
    }
  },
});

// Asks for passports that are bound to new keys, all with one nonce.
async function ask({ accessTokenResponse, dpop }, count, nonce) {
  const signers = await Promise.all(Array.from({ length: count }, newKey));
  const proofs = signers.map((signer) =>
    wallet.createCredentialRequestJwtProof({
      issuerMetadata,
      credentialConfigurationId: configuration,
      clientId: task.client,
      signer,
      nonce,
    }),
  );
  const { credentialResponse } = await wallet.retrieveCredentials({
    issuerMetadata,
    credentialConfigurationId: configuration,
    accessToken: accessTokenResponse.access_token,
    proofs: { jwt: (await Promise.all(proofs)).map((proof) => proof.jwt) },
    dpop,
  });
  const given = credentialResponse.credentials.map(({ credential }) => passports.verify(credential, {}));
  const payloads = (await Promise.all(given)).map(({ payload }) => payload);
  const bound = payloads.every(({ cnf }, place) => cnf.jwk.x === signers[place].publicJwk.x);
  return { payloads, bound };
}

const newNonce = async () => (await wallet.requestNonce({ issuerMetadata })).c_nonce;

// An offer, with the code that the traveller typed.
const redeem = (signer, txCode) =>
  wallet.retrievePreAuthorizedCodeAccessTokenFromOffer({
    credentialOffer: offer,
    issuerMetadata,
    txCode,
    dpop: { signer },
  });
const signer = await newKey();
const wrong = task.tx_code === '00000000' ? '00000001' : '00000000';
const guessed = await refusal(() => redeem(signer, wrong));
const offered = await redeem(signer, task.tx_code);
const replayed = await refusal(() => redeem(signer, task.tx_code));
const nonce = await newNonce();
const batch = await ask(offered, 10, nonce);
const nonceReplayed = await refusal(() => ask(offered, 1, nonce));
const shared = await newNonce();
const atOnce = await Promise.all([1, 2].map(() => refusal(() => ask(offered, 1, shared))));
const stolen = await refusal(async () => {
  const dpop = { ...offered.dpop, signer: await newKey() };
  await ask({ ...offered, dpop }, 1, await newNonce());
});

// Without one: the wallet calls a browser, in which the traveller signs in and agrees.
const credentialOffer = await wallet.resolveCredentialOffer(task.everybodys);
const asked = await wallet.createAuthorizationRequestUrlFromOffer({
  credentialOffer,
  issuerMetadata,
  clientId: task.client,
  redirectUri: task.redirect_uri,
  scope: issuerMetadata.credentialIssuer.credential_configurations_supported[configuration].scope,
  dpop: { signer },
});
const browser = new Browser(task.issuer, task.handle, task.password);
const callback = await browser.walk(asked.authorizationRequestUrl, { decision: 'allow' });
const { code } = wallet.parseAndVerifyAuthorizationResponseRedirectUrl({
  url: callback.toString(),
  authorizationServerMetadata: authorizationServer,
});
const agreed = await wallet.retrieveAuthorizationCodeAccessTokenFromOffer({
  credentialOffer,
  issuerMetadata,
  authorizationCode: code,
  pkceCodeVerifier: asked.pkce.codeVerifier,
  redirectUri: task.redirect_uri,
  dpop: asked.dpop,
});
const anywhere = await ask(agreed, 2, await newNonce());

console.log(
  JSON.stringify({
    same: JSON.stringify(offer) === JSON.stringify(byValue),
    version: issuerMetadata.originalDraftVersion,
    guessed,
    replayed,
    details: offered.accessTokenResponse.authorization_details,
    batch,
    nonceReplayed,
    atOnce: atOnce.sort(),
    stolen,
    scope: agreed.accessTokenResponse.scope,
    anywhere,
  }),
);
