// A wallet that speaks Open Payments: wallet addresses, an authorization server and a resource server. Every request
// and every answer is held against the official descriptions, and every signature is verified, with the official
// libraries. Takes the port to listen on and the client's public key as a JWK; `/control` says what people do.
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { createServer } from 'node:http';
import { randomUUID } from 'node:crypto';
import { getKeyId, validateSignature, validateSignatureHeaders } from '@interledger/http-signature-utils';
import { createOpenAPI } from '@interledger/openapi';

const [port, jwk] = [Number(process.argv[2]), JSON.parse(process.argv[3])];
const base = `http://127.0.0.1:${port}`;
const own = `${base}/port`;
const specs = join(dirname(createRequire(import.meta.url).resolve('@interledger/open-payments')), 'openapi/specs');
const openapi = {};
for (const name of ['wallet-address-server', 'auth-server', 'resource-server']) {
  openapi[name] = await createOpenAPI(join(specs, `${name}.yaml`));
}

// What the port's owner consented to.
const CONSENT = { value: 'consented-to-once', access: { 'outgoing-payment': ['create', 'read', 'list'] }, of: own };
const state = { lose: 0, misfits: [], unsigned: 0, calls: 0, fee: 0, tokens: [CONSENT], things: {} };
const kinds = ['incoming-payments', 'outgoing-payments', 'quotes'];
for (const kind of kinds) state.things[kind] = [];
const asset = { assetCode: 'EUR', assetScale: 2 };
const amount = (value) => ({ value: String(value), ...asset });

class Refusal extends Error {
  constructor(status, code) {
    super(code);
    Object.assign(this, { status, code });
  }
}

function wallet(path) {
  if (!['/port', '/payer', '/trader'].includes(path)) throw new Refusal(404, 'not_found');
  return { id: base + path, publicName: path.slice(1), ...asset, authServer: `${base}/auth`, resourceServer: `${base}/op` };
}

async function verify(request) {
  const is = validateSignatureHeaders(request) && getKeyId(request.headers['signature-input']) === jwk.kid
    && await validateSignature(jwk, request).catch(() => false);
  if (is) return;
  state.unsigned += 1;
  throw new Refusal(401, 'invalid_client');
}

function grant(body) {
  if (body.client?.walletAddress !== own) throw new Refusal(400, 'invalid_client');
  const access = {};
  for (const { type, actions } of body.access_token.access) {
    if (type === 'outgoing-payment') throw new Refusal(400, 'request_denied');
    access[type] = actions;
  }
  const value = randomUUID();
  state.tokens.push({ value, access });
  return {
    access_token: { value, manage: `${base}/auth/token/${randomUUID()}`, expires_in: 600, access: body.access_token.access },
    continue: { access_token: { value: randomUUID() }, uri: `${base}/auth/continue/${randomUUID()}` },
  };
}

function may(request, kind, action) {
  const token = state.tokens.find(({ value }) => request.headers.authorization === `GNAP ${value}`);
  if (!token) throw new Refusal(401, 'invalid_token');
  if (!token.access[kind.slice(0, -1)]?.includes(action)) throw new Refusal(403, 'insufficient_grant');
}

const made = {
  'incoming-payments': ({ walletAddress, incomingAmount, metadata }) => ({
    walletAddress, completed: false, incomingAmount, receivedAmount: amount(0), metadata,
  }),
  quotes: ({ walletAddress, receiver, method, debitAmount }) => ({
    walletAddress, receiver, method, debitAmount, receiveAmount: amount(Number(debitAmount.value) - state.fee),
  }),
  'outgoing-payments': ({ walletAddress, quoteId, metadata }) => {
    const quote = state.things.quotes.find(({ id }) => id === quoteId);
    if (!quote) throw new Refusal(400, 'invalid_request');
    const { receiver, debitAmount, receiveAmount } = quote;
    return { walletAddress, quoteId, failed: false, receiver, debitAmount, receiveAmount, sentAmount: amount(0), metadata };
  },
};

function shown(thing, kind, isNew) {
  const { ...copy } = thing;
  if (kind === 'incoming-payments' && isNew) {
    copy.methods = [{ type: 'ilp', ilpAddress: 'test.wallet.receiver', sharedSecret: 'c2VjcmV0' }];
  }
  return copy;
}

function resource(request, url, body) {
  const [, , kind, id, action] = url.pathname.split('/');
  if (!kinds.includes(kind)) throw new Refusal(404, 'not_found');
  const things = state.things[kind];
  if (request.method === 'POST' && !id) {
    may(request, kind, 'create');
    const thing = { id: `${base}/op/${kind}/${randomUUID()}`, ...made[kind](body), createdAt: new Date().toISOString() };
    things.unshift(JSON.parse(JSON.stringify(thing)));
    return [201, shown(things[0], kind, true)];
  }
  if (!id) {
    may(request, kind, 'list');
    const mine = things.filter(({ walletAddress }) => walletAddress === url.searchParams.get('wallet-address'));
    const cursor = url.searchParams.get('cursor');
    const from = cursor ? mine.findIndex((thing) => thing.id.endsWith(cursor)) + 1 : 0;
    // Two to a page, so that pages are turned.
    const result = mine.slice(from, from + 2);
    const pagination = { hasNextPage: from + 2 < mine.length, hasPreviousPage: from > 0 };
    if (result.length) pagination.endCursor = result.at(-1).id.split('/').at(-1);
    return [200, { pagination, result }];
  }
  const thing = things.find((thing) => thing.id.endsWith(`/${id}`));
  if (!thing) throw new Refusal(404, 'not_found');
  if (kind === 'incoming-payments' && !request.headers.authorization && request.method === 'GET') {
    return [200, { receivedAmount: thing.receivedAmount, authServer: `${base}/auth` }];
  }
  may(request, kind, action ?? 'read');
  if (action === 'complete') thing.completed = true;
  return [200, shown(thing, kind, !action && request.method === 'GET')];
}

function control({ pay, send, fail, age, ...more }) {
  for (const thing of age ? Object.values(state.things).flat() : []) {
    thing.createdAt = new Date(Date.parse(thing.createdAt) - age * 1000).toISOString();
  }
  if (pay) {
    const thing = state.things['incoming-payments'].find(({ id }) => id === pay.id);
    thing.receivedAmount = amount(Number(thing.receivedAmount.value) + pay.amount);
    thing.completed = Boolean(thing.incomingAmount) && Number(thing.receivedAmount.value) >= Number(thing.incomingAmount.value);
  }
  for (const id of [send, fail].filter(Boolean)) {
    const thing = state.things['outgoing-payments'].find((thing) => thing.id === id);
    thing.failed = id === fail;
    if (id === fail) continue;
    thing.sentAmount = thing.receiveAmount;
    control({ pay: { id: thing.receiver, amount: Number(thing.receiveAmount.value) } });
  }
  Object.assign(state, more);
}

function answer(request, url) {
  if (url.pathname.startsWith('/auth')) {
    return ['auth-server', url.pathname.slice(5) || '/', 200, grant(request.body)];
  }
  if (url.pathname.startsWith('/op/')) {
    const [, , kind, id, action] = url.pathname.split('/');
    const path = `/${kind}${id ? '/{id}' : ''}${action ? `/${action}` : ''}`;
    return ['resource-server', path, ...resource(request, url, request.body)];
  }
  return ['wallet-address-server', '/', 200, wallet(url.pathname)];
}

// Made once for each operation, because the library changes the description when it makes one.
const validators = {};
function validatorsOf(server, about) {
  const name = `${server} ${about.method} ${about.path}`;
  validators[name] ??= {
    request: openapi[server].createRequestValidator(about),
    response: openapi[server].createResponseValidator(about),
  };
  return validators[name];
}

function hold(request, url, [server, path, status, body]) {
  const about = { path, method: request.method.toLowerCase() };
  try {
    const id = url.pathname.split('/')[3];
    const query = Object.fromEntries(url.searchParams);
    const held = validatorsOf(server, about);
    held.request({ headers: request.headers, params: { id }, query, body: request.body });
    held.response({ status, body });
  } catch (error) {
    state.misfits.push({ ...about, errors: error.errors ?? String(error) });
  }
}

createServer(async (incoming, response) => {
  const parts = [];
  for await (const part of incoming) parts.push(part);
  const text = Buffer.concat(parts).toString();
  const url = new URL(incoming.url, base);
  const send = (status, body) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  };
  if (url.pathname === '/control') {
    if (text) control(JSON.parse(text));
    const { misfits, unsigned, calls, things } = state;
    return send(200, { misfits, unsigned, calls, things });
  }
  state.calls += 1;
  const { method, headers } = incoming;
  const request = { method, headers, url: url.href, body: text };
  try {
    // The digest is of the text, and the descriptions are of what it says.
    const body = text ? JSON.parse(text) : undefined;
    const isSigned = url.pathname.startsWith('/auth') || method === 'POST' || headers.authorization;
    if (isSigned) await verify(request);
    const done = answer({ ...request, body }, url);
    hold({ ...request, body }, url, done);
    if (state.lose === url.pathname) {
      state.lose = 0;
      return incoming.socket.destroy();
    }
    return send(done[2], done[3]);
  } catch (error) {
    return send(error.status ?? 500, { error: { code: error.code ?? 'internal', description: String(error) } });
  }
}).listen(port, '127.0.0.1');
