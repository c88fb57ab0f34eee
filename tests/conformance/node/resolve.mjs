// A resolver's client made of a library that this project did not write: `dohdec` asks over
// HTTP (RFC 8484). Reads what to ask as JSON from the first argument and prints what it found
// as JSON.
import { DNSoverHTTPS } from 'dohdec';

const { url, name } = JSON.parse(process.argv[2]);

async function ask(preferPost) {
  const client = new DNSoverHTTPS({ url, preferPost });
  const answer = await client.lookup(name, { rrtype: 'SRV', json: false, dnssec: true });
  const of = (type) => answer.answers.filter((record) => record.type === type);
  return {
    targets: of('SRV').map((record) => record.data.target),
    signed: of('RRSIG').some((record) => record.data.typeCovered === 'SRV'),
  };
}

console.log(JSON.stringify({ get: await ask(false), post: await ask(true) }));
