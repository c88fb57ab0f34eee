// An endpoint that verifies webhooks with the official library. Takes the port to listen on, and is told how to answer
// and which secret it has at `/control`; what arrived is at `/seen`.
import { createServer } from 'node:http';
import { Webhook } from 'standardwebhooks';

const state = { secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', status: 204 };
const seen = [];

function verifies(body, headers) {
  try {
    new Webhook(state.secret).verify(body, headers);
    return true;
  } catch {
    return false;
  }
}

const server = createServer(async (request, response) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  const body = Buffer.concat(parts).toString();
  if (request.method === 'GET') {
    response.writeHead(200).end(JSON.stringify(seen));
  } else if (request.url === '/control') {
    Object.assign(state, JSON.parse(body));
    seen.length = 0;
    response.writeHead(204).end();
  } else {
    const { headers } = request;
    seen.push({
      id: headers['webhook-id'],
      event: JSON.parse(body),
      verifies: verifies(body, headers),
      changed_verifies: verifies(body.replace('"data"', '"date"'), headers),
      moved_verifies: verifies(body, { ...headers, 'webhook-id': 'msg_other' }),
    });
    response.writeHead(state.status).end();
  }
});
server.listen(Number(process.argv[2]), '127.0.0.1');
