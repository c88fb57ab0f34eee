// A provider made of `oidc-provider`, and a person who signs in at a port with an account there.

import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const task = JSON.parse(process.argv.at(-1));
const unescape = (text) => text.replaceAll('&amp;', '&').replaceAll('&quot;', '"');

const provider = new Provider(task.issuer, {
  clients: [{
    client_id: task.client,
    client_secret: task.secret,
    redirect_uris: [`${task.port}/signin/upstream/op`],
    id_token_signed_response_alg: 'RS256',
  }],
  cookies: { keys: ['a key of this test'] },
  pkce: { required: () => true },
});
// Its own pages, on which any name signs in with any password.
const server = createServer(provider.callback());
await new Promise((resolve) => server.listen(new URL(task.issuer).port, '127.0.0.1', resolve));

/** A browser: keeps cookies by host, and follows no redirect by itself. */
class Browser {
  #cookies = new Map();

  async send(url, options = {}) {
    const { host } = new URL(url);
    const kept = this.#cookies.get(host) ?? new Map();
    this.#cookies.set(host, kept);
    const cookie = [...kept].map((pair) => pair.join('=')).join('; ');
    const headers = { ...options.headers, ...(cookie ? { cookie } : {}) };
    const answer = await fetch(url, { ...options, headers, redirect: 'manual' });
    for (const line of answer.headers.getSetCookie()) {
      const [pair] = line.split(';');
      const equals = pair.indexOf('=');
      kept.set(pair.slice(0, equals), pair.slice(equals + 1));
    }
    return answer;
  }

  /** Asks the port, as its page does. */
  async ask(path, body) {
    const options = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
    const answer = await this.send(`${task.port}${path}`, options);
    return { status: answer.status, ...(await answer.json()) };
  }

  /** Signs in at the provider, and gives out what it sends the browser back with. */
  async visit(url, login) {
    let form;
    for (let steps = 0; steps < 20; steps += 1) {
      const answer = await this.send(url, form);
      form = undefined;
      const location = answer.headers.get('location');
      if (location) {
        url = new URL(location, url).href;
        if (url.startsWith(task.port)) return Object.fromEntries(new URL(url).searchParams);
        continue;
      }
      const page = await answer.text();
      const action = page.match(/<form[^>]* action="([^"]*)"/)?.[1];
      const prompt = page.match(/name="prompt" value="([^"]*)"/)?.[1];
      if (!answer.ok || !action) throw new Error(`${url}: ${answer.status} ${page}`);
      url = new URL(unescape(action), url).href;
      form = { method: 'POST', body: new URLSearchParams({ prompt, login, password: 'any' }) };
    }
    throw new Error('the journey has no end');
  }

  /** All of a sign-in at the port. */
  async signIn(login) {
    const begun = await this.ask('/v1/upstream/authorizations', { provider: 'op' });
    if (begun.status !== 201) throw new Error(JSON.stringify(begun));
    const returned = { provider: 'op', ...(await this.visit(begun.authorization_url, login)) };
    return { returned, answer: await this.ask('/v1/upstream/sessions', returned) };
  }
}

const first = new Browser();
const { returned, answer } = await first.signIn('ada at op');
const signedUp = await first.ask('/v1/upstream/travellers', {
  registration: answer.registration,
  handle: task.handle,
});
const again = await new Browser().signIn('ada at op');
const other = await new Browser().signIn('eve at op');
const begun = new Browser();
await begun.ask('/v1/upstream/authorizations', { provider: 'op' });
console.log(JSON.stringify({
  iss: returned.iss,
  unknown: answer.status,
  signedUp: [signedUp.status, signedUp.traveller],
  again: [again.answer.status, again.answer.traveller],
  other: other.answer.status,
  replayed: (await first.ask('/v1/upstream/sessions', returned)).type,
  elsewhere: (await begun.ask('/v1/upstream/sessions', returned)).type,
}));
server.close();
server.closeAllConnections();
