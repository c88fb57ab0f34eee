// A wallet made of `@openid4vc/openid4vp` and `@sd-jwt/sd-jwt-vc` that shows passports to a world, and
// the world, which asks the port to ask. Reads what to do as JSON from the first argument and prints
// what it found as JSON.
import { X509Certificate, createHash, randomBytes, randomUUID } from 'node:crypto';
import { setGlobalConfig } from '@openid4vc/oauth2';
import { Openid4vpClient } from '@openid4vc/openid4vp';
import { digest, generateSalt } from '@sd-jwt/crypto-nodejs';
import { SDJwtVcInstance } from '@sd-jwt/sd-jwt-vc';
import {
  CompactEncrypt,
  CompactSign,
  SignJWT,
  exportJWK,
  generateKeyPair,
  importJWK,
  jwtVerify,
} from 'jose';

const task = JSON.parse(process.argv[2]);
// The port of a test speaks plain HTTP on the loopback interface.
setGlobalConfig({ allowInsecureUrls: true });
const issuer = task.issuer.replace(/\/$/, '');
const passportType = 'urn:vwp:passport:1';

// The world: it proves who it is with its key.
const worldKey = await importJWK(task.key, 'ES256');
async function asWorld(path, parameters) {
  const assertion = await new SignJWT({ iss: task.client, sub: task.client, jti: randomUUID() })
    .setProtectedHeader({ alg: 'ES256', kid: task.kid })
    .setAudience(task.issuer)
    .setIssuedAt()
    .setExpirationTime('1m')
    .sign(worldKey);
  const body = new URLSearchParams({
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: assertion,
    ...parameters,
  });
  const answer = await fetch(`${issuer}${path}`, { method: 'POST', body });
  return { status: answer.status, body: await answer.json() };
}

const query = (claims) => ({
  credentials: [
    {
      id: 'pass',
      format: 'dc+sd-jwt',
      meta: { vct_values: [passportType] },
      claims: claims.map((name) => ({ path: [name] })),
    },
  ],
});
const begin = async (more = {}) => {
  const dcql_query = JSON.stringify(query(['handle']));
  const begun = await asWorld('/oauth/presentations', { dcql_query, ...more });
  if (begun.status !== 201) throw new Error(JSON.stringify(begun));
  return begun.body;
};
const result = (begun, more = {}) =>
  asWorld('/oauth/presentations/result', { transaction_id: begun.transaction_id, ...more });

// The keys of a DID, as the method did:web finds them; over HTTP on the loopback interface.
const scheme = new URL(task.issuer).protocol;
async function resolve(did) {
  const [method, name, host, ...path] = did.split(':');
  if (method !== 'did' || name !== 'web') throw new Error(`another method: ${did}`);
  const place = path.length ? path.map(decodeURIComponent).join('/') : '.well-known';
  const answer = await fetch(`${scheme}//${decodeURIComponent(host)}/${place}/did.json`);
  const document = await answer.json();
  if (document.id !== did) throw new Error(`another document: ${document.id}`);
  return document;
}

// The certificate of a chain's beginning, if it leads to the trust anchor that the wallet knows.
function believed(x5c) {
  const anchor = new X509Certificate(task.anchor);
  const chain = x5c.map((der) => new X509Certificate(Buffer.from(der, 'base64')));
  if (chain.some(({ fingerprint256 }) => fingerprint256 === anchor.fingerprint256)) {
    throw new Error('the trust anchor came along');
  }
  chain.forEach((certificate, index) => {
    const issuer = chain[index + 1] ?? anchor;
    const isCurrent = new Date(certificate.validTo) > new Date() && new Date(certificate.validFrom) <= new Date();
    if (!isCurrent || !certificate.checkIssued(issuer) || !certificate.verify(issuer.publicKey)) {
      throw new Error(`no wallet believes ${certificate.subject}`);
    }
  });
  return chain[0];
}

// The key of whoever signed a request, as the prefix of the client identifier says it is found.
async function signerKey(signer) {
  if (signer.method === 'x5c') return exportJWK(believed(signer.x5c).publicKey);
  const document = await resolve(signer.didUrl.split('#')[0]);
  return document.verificationMethod.find(({ id }) => id === signer.didUrl).publicKeyJwk;
}

const unused = (what) => () => {
  throw new Error(`${what} is not part of this`);
};
const wallet = new Openid4vpClient({
  callbacks: {
    hash: (data, name) => createHash(name.replace('-', '')).update(data).digest(),
    generateRandom: randomBytes,
    verifyJwt: async (signer, { compact }) => {
      const signerJwk = await signerKey(signer);
      await jwtVerify(compact, await importJWK(signerJwk, 'ES256'), {
        typ: 'oauth-authz-req+jwt',
        audience: 'https://self-issued.me/v2',
        algorithms: ['ES256'],
      });
      return { verified: true, signerJwk };
    },
    // The library asks for this under any prefix with certificates, and looks at the names under others than ours.
    getX509CertificateMetadata: () => ({ sanDnsNames: [], sanUriNames: [] }),
    signJwt: unused('signing answers'),
    decryptJwe: unused('decryption'),
    encryptJwe: async ({ publicJwk, alg, enc, apu, apv }, text) => {
      const encrypting = new CompactEncrypt(new TextEncoder().encode(text))
        .setProtectedHeader({ alg, enc, kid: publicJwk.kid })
        .setKeyManagementParameters({
          ...(apu && { apu: Buffer.from(apu, 'base64url') }),
          apv: Buffer.from(apv, 'base64url'),
        });
      return { jwe: await encrypting.encrypt(await importJWK(publicJwk, alg)), encryptionJwk: publicJwk };
    },
  },
});

// The wallet's passports, each bound to a key.
async function passport(world) {
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const proof = await new SignJWT({})
    .setProtectedHeader({ alg: 'ES256', typ: 'openid4vci-proof+jwt', jwk: await exportJWK(publicKey) })
    .setAudience(task.issuer)
    .setIssuedAt()
    .sign(privateKey);
  const answer = await fetch(`${issuer}/v1/passports`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${task.token}` },
    body: JSON.stringify({ proof, world }),
  });
  if (!answer.ok) throw new Error(await answer.text());
  const holder = async (data) => {
    const [header, payload] = data.split('.');
    const signed = await new CompactSign(Buffer.from(payload, 'base64url'))
      .setProtectedHeader(JSON.parse(Buffer.from(header, 'base64url')))
      .sign(privateKey);
    return signed.split('.')[2];
  };
  return { compact: (await answer.json()).passport, holder };
}

async function show({ compact, holder }, request, frame, more = {}) {
  const instance = new SDJwtVcInstance({
    hasher: digest,
    hashAlg: 'sha-256',
    saltGenerator: generateSalt,
    kbSigner: holder,
    kbSignAlg: 'ES256',
  });
  const payload = {
    iat: Math.floor(Date.now() / 1000),
    aud: request.client_id,
    nonce: request.nonce,
    ...more,
  };
  return instance.present(compact, frame, { kb: { payload } });
}

async function read(begun) {
  const { params } = wallet.parseOpenid4vpAuthorizationRequest({ authorizationRequest: begun.link });
  return wallet.resolveOpenId4vpAuthorizationRequest({ authorizationRequestPayload: params });
}

// Answers as the request wants it; `encryption` is what the wallet can do, where that is encrypted.
async function answer({ authorizationRequestPayload }, authorizationResponsePayload, encryption = {}) {
  const { enc = 'A256GCM', nonce } = encryption;
  const isEncrypted = authorizationRequestPayload.response_mode === 'direct_post.jwt';
  const made = await wallet.createOpenid4vpAuthorizationResponse({
    authorizationRequestPayload,
    authorizationResponsePayload,
    ...(isEncrypted && {
      jarm: {
        encryption: { nonce },
        serverMetadata: {
          authorization_encryption_alg_values_supported: ['ECDH-ES'],
          authorization_encryption_enc_values_supported: [enc],
        },
      },
    }),
  });
  const { response } = await wallet.submitOpenid4vpAuthorizationResponse({
    authorizationRequestPayload,
    ...made,
  });
  return { status: response.status, body: await response.json() };
}

// Shows a passport to the world that asked.
async function present(resolved, own, frame = { handle: true }, more = {}, encryption = {}) {
  const presentation = await show(own, resolved.authorizationRequestPayload, frame, more);
  return answer(resolved, { vp_token: { pass: [presentation] } }, encryption);
}

const ours = await passport(task.world);

// A wallet on another device.
const across = await begin();
const acrossAsked = await read(across);
const waiting = await result(across);
const acrossAnswered = await present(acrossAsked, ours);
const again = await present(acrossAsked, ours);
const acrossTold = await result(across);
const fetchedTwice = await result(across);

// A wallet on the same device, which sends the browser on.
const here = await begin({ redirect_uri: task.redirect_uri });
const hereAnswered = await present(await read(here), ours);
const back = new URL(hereAnswered.body.redirect_uri);
const withoutCode = await result(here);
const hereTold = await result(here, { response_code: back.searchParams.get('response_code') });

// The nonce of the wallet is in the request that it fetches.
const posted = await fetch((await begin()).request_uri, {
  method: 'POST',
  headers: { accept: 'application/oauth-authz-req+jwt' },
  body: new URLSearchParams({ wallet_nonce: 'the-wallets-nonce', wallet_metadata: '{}' }),
});
const [, claims] = (await posted.text()).split('.');
const walletNonce = JSON.parse(Buffer.from(claims, 'base64url')).wallet_nonce;

// What a world is not to take.
async function refused(own, frame, more) {
  const begun = await begin();
  const { status } = await present(await read(begun), own, frame, more);
  return [status, (await result(begun)).body.reason];
}
const everything = await passport();
const disclosed = await begin();
await present(await read(disclosed), everything, { handle: true, traveller: true });

const declined = await begin();
const no = await answer(await read(declined), { error: 'access_denied' });

// Wallets that encrypt, as this library does, and one that does it on its own.
const encrypted = { response_mode: 'direct_post.jwt' };
async function encryptedWith(encryption) {
  const begun = await begin(encrypted);
  const { status } = await present(await read(begun), ours, { handle: true }, {}, encryption);
  const told = (await result(begun)).body;
  return [status, told.status, told.credentials?.pass[0].claims.handle];
}
const secretNo = await begin(encrypted);
const encryptedNo = await answer(await read(secretNo), { error: 'access_denied' });
const openly = await begin(encrypted);
const openlyAsked = await read(openly);
openlyAsked.authorizationRequestPayload.response_mode = 'direct_post';
const openlyAnswered = await present(openlyAsked, ours);

async function encryptedAs(header) {
  const begun = await begin(encrypted);
  const { authorizationRequestPayload: asked } = await read(begun);
  const [jwk] = asked.client_metadata.jwks.keys;
  const vp_token = { pass: [await show(ours, asked, { handle: true })] };
  const said = new TextEncoder().encode(JSON.stringify({ vp_token, state: asked.state }));
  const response = await new CompactEncrypt(said)
    .setProtectedHeader({ alg: 'ECDH-ES', enc: 'A256GCM', kid: jwk.kid, ...header })
    .encrypt(await importJWK(jwk, header.alg ?? 'ECDH-ES'));
  const answered = await fetch(asked.response_uri, {
    method: 'POST',
    body: new URLSearchParams({ response }),
  });
  return [answered.status, (await result(begun)).body.reason ?? 'pending'];
}

console.log(
  JSON.stringify({
    version: acrossAsked.version,
    client: acrossAsked.client,
    clientId: across.client_id,
    responseMode: acrossAsked.authorizationRequestPayload.response_mode,
    subjects: acrossAsked.client.x5c?.map((der) => new X509Certificate(Buffer.from(der, 'base64')).subject),
    waiting: [waiting.status, waiting.body.status],
    across: [acrossAnswered, again.status, acrossTold],
    fetchedTwice: fetchedTwice.body.error,
    contentType: posted.headers.get('content-type'),
    walletNonce,
    here: [back.origin + back.pathname, withoutCode.body.error, hereTold.body.status],
    otherAudience: await refused(ours, { handle: true }, { aud: task.world }),
    otherNonce: await refused(ours, { handle: true }, { nonce: 'another' }),
    nothing: await refused(ours, {}, {}),
    otherWorld: await refused(await passport(task.other), { handle: true }, {}),
    tooMuch: (await result(disclosed)).body,
    no: [no.status, (await result(declined)).body],
    encrypted: [
      await encryptedWith({ enc: 'A128GCM' }),
      await encryptedWith({ enc: 'A256GCM' }),
      await encryptedWith({ enc: 'A128GCM', nonce: 'a wallet' }),
    ],
    encryptedNo: [encryptedNo.status, (await result(secretNo)).body],
    openly: [openlyAnswered.status, (await result(openly)).body.reason],
    otherEncryption: [
      await encryptedAs({ alg: 'ECDH-ES+A256KW' }),
      await encryptedAs({ enc: 'A128CBC-HS256' }),
      await encryptedAs({ enc: 'A192GCM' }),
      await encryptedAs({ kid: 'another' }),
    ],
  }),
);
