// A traveller and a verifier made of libraries that this project did not write: `jose`
// for signatures and `@sd-jwt/sd-jwt-vc` for passports. Reads what to do as JSON from the
// first argument and prints what it found as JSON.
import { digest, generateSalt } from '@sd-jwt/crypto-nodejs';
import { SDJwtVcInstance } from '@sd-jwt/sd-jwt-vc';
import {
  CompactSign,
  SignJWT,
  calculateJwkThumbprint,
  compactVerify,
  createLocalJWKSet,
  createRemoteJWKSet,
  exportJWK,
  generateKeyPair,
  importJWK,
  jwtVerify,
} from 'jose';

const { url, issuer, token, ours, audience, nonce } = JSON.parse(process.argv[2]);

async function call(path, options = {}) {
  const answer = await fetch(url + path, options);
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

// The issuer's keys, found as a verifier finds them: from its metadata.
const metadata = await call('/.well-known/jwt-vc-issuer');
const published = await call(new URL(metadata.jwks_uri).pathname);
const keys = createLocalJWKSet(published);

const access = await jwtVerify(token, createRemoteJWKSet(new URL(metadata.jwks_uri)), {
  issuer,
  audience: issuer,
  typ: 'at+jwt',
  algorithms: ['ES256'],
});

// SD-JWT libraries leave signatures to their caller; `jose` checks them.
async function verifyWith(key, data, signature) {
  try {
    await compactVerify(`${data}.${signature}`, key, { algorithms: ['ES256'] });
    return true;
  } catch {
    return false;
  }
}

const holder = await generateKeyPair('ES256', { extractable: true });
const holderJwk = await exportJWK(holder.publicKey);
const passports = new SDJwtVcInstance({
  hasher: digest,
  hashAlg: 'sha-256',
  saltGenerator: generateSalt,
  verifier: (data, signature) => verifyWith(keys, data, signature),
  kbVerifier: async (data, signature, payload) =>
    verifyWith(await importJWK(payload.cnf.jwk, 'ES256'), data, signature),
  kbSignAlg: 'ES256',
  kbSigner: async (data) => {
    const [header, payload] = data.split('.').map((part) => Buffer.from(part, 'base64url'));
    const signed = await new CompactSign(payload)
      .setProtectedHeader(JSON.parse(header))
      .sign(holder.privateKey);
    const [signedHeader, signedPayload, signature] = signed.split('.');
    if (`${signedHeader}.${signedPayload}` !== data) throw new Error('the header was written anew');
    return signature;
  },
});

// What our client presented.
const believed = await passports.verify(ours, { keyBindingNonce: nonce });
if (believed.kb.payload.aud !== audience) throw new Error('the key binding has another audience');

// A passport that was issued for a proof which `jose` signed.
const proof = await new SignJWT({})
  .setProtectedHeader({ alg: 'ES256', typ: 'openid4vci-proof+jwt', jwk: holderJwk })
  .setAudience(issuer)
  .setIssuedAt()
  .sign(holder.privateKey);
const { passport } = await call('/v1/passports', {
  method: 'POST',
  headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
  body: JSON.stringify({ proof }),
});
const issued = await passports.verify(passport, {});

// A presentation that this library makes of it.
const presentation = await passports.present(
  passport,
  { handle: true },
  { kb: { payload: { iat: Math.floor(Date.now() / 1000), aud: audience, nonce } } },
);

console.log(
  JSON.stringify({
    subject: access.payload.sub,
    believed: believed.payload,
    issued: issued.payload,
    holder: await calculateJwkThumbprint(holderJwk),
    presentation,
  }),
);
