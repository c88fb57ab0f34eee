"""An endpoint that verifies webhooks with the official library. Takes the port to listen on, and is told how to answer
and which secret it has at `/control`; what arrived is at `/seen`."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook, WebhookVerificationError

state = {"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "status": 204}
seen = []


def verifies(body, headers):
    try:
        return Webhook(state["secret"]).verify(body, headers) is not None
    except WebhookVerificationError:
        return False


class Handler(BaseHTTPRequestHandler):
    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer(200, json.dumps(seen).encode())

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/control":
            state.update(json.loads(body))
            seen.clear()
            return self.answer(204)
        headers = {name.lower(): value for name, value in self.headers.items()}
        seen.append({
            "id": headers.get("webhook-id"),
            "event": json.loads(body),
            "verifies": verifies(body, headers),
            "changed_verifies": verifies(body.replace(b'"data"', b'"date"'), headers),
            "moved_verifies": verifies(body, {**headers, "webhook-id": "msg_other"}),
        })
        self.answer(state["status"])

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
