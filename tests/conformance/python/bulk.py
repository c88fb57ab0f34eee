"""Pays several amounts in one request, in CBOR (RFC 8949)."""

import json
import sys
import uuid

import cbor2
import requests

task = json.loads(sys.argv[1])
accounts = [[task["from"], task["asset"]], [task["to"], task["asset"]]]
transfers = [[uuid.uuid4().hex, 0, 1, amount, None, 0, False] for amount in task["amounts"]]
reply = requests.post(
    task["url"] + "/v1/transfers/bulk",
    data=cbor2.dumps([accounts, transfers]),
    headers={"Content-Type": "application/cbor", "Authorization": "Bearer " + task["token"]},
    timeout=30,
)
reply.raise_for_status()
print(json.dumps([refusal for refusal, *_ in cbor2.loads(reply.content)]))
