// A person with a browser, for the clients of a provider: keeps cookies, follows redirects within
// the port, and fills in its forms.

const unescape = (text) => text.replaceAll('&amp;', '&').replaceAll('&quot;', '"');

export class Browser {
  #cookies = new Map();

  constructor(issuer, handle, password) {
    this.issuer = issuer;
    this.known = { handle, password };
  }

  async #send(url, form) {
    const cookie = [...this.#cookies].map((pair) => pair.join('=')).join('; ');
    const headers = cookie ? { cookie } : {};
    const options = form
      ? { method: 'POST', headers, redirect: 'manual', body: new URLSearchParams(form) }
      : { headers, redirect: 'manual' };
    const answer = await fetch(url, options);
    for (const cookie of answer.headers.getSetCookie()) {
      const [name, value] = cookie.split(';')[0].split('=');
      this.#cookies.set(name, value);
    }
    return answer;
  }

  // Goes to a URL and fills in what comes, with `answers` beside handle and password, until a
  // redirect leaves the port or a page has no form; gives out where, or the page.
  async walk(start, answers) {
    let url = new URL(start);
    let form;
    for (let steps = 0; steps < 12; steps += 1) {
      const answer = await this.#send(url, form);
      form = undefined;
      const location = answer.headers.get('location');
      if (location) {
        url = new URL(location, url);
        if (url.origin !== new URL(this.issuer).origin) return url;
        continue;
      }
      const page = await answer.text();
      if (!answer.ok) throw new Error(`${url}: ${answer.status} ${page}`);
      const action = page.match(/<form method="post" action="([^"]*)"/);
      if (!action) return page;
      form = {};
      for (const [, name] of page.matchAll(/<(?:input|button)[^>]* name="([^"]*)"/g)) {
        const value = page.match(new RegExp(`name="${name}" value="([^"]*)"`))?.[1];
        form[name] = { ...this.known, ...answers }[name] ?? unescape(value ?? '');
      }
      url = new URL(unescape(action[1]), url);
    }
    throw new Error('the journey has no end');
  }
}
