"""Who calls, in turn, and what keeps a run short. Read by Schemathesis."""

import itertools
import json
import os

import schemathesis

# What has no serializer of its own goes out as it was made up.
RAW = (
    "application/cbor",
    "application/dns-message",
    "application/jose",
    "application/octet-stream",
    "application/vnd.swift.mt940",
    "application/xml",
    "text/csv",
    "text/dns",
    "text/plain",
    "text/xml",
)

CALLERS = json.loads(os.environ["VWP_CALLERS"])
# These end the session, or the account, with which all others are called.
ENDING = {"signOut", "endSession", "endSessions", "eraseTraveller", "changePassword"}

turns = itertools.cycle(["nobody", "traveller", "operator", "administrator"])
networks = itertools.count(1)


@schemathesis.serializer(*RAW)
def as_it_is(context, value):
    if isinstance(value, str):
        return value.encode("utf-8", errors="surrogatepass")
    return value if isinstance(value, bytes) else json.dumps(value).encode()


@schemathesis.hook
def before_call(context, case, kwargs):
    caller = next(turns)
    operation = case.operation.definition.raw.get("operationId")
    if caller == "traveller" and operation in ENDING:
        caller = "leaver"
    headers = case.headers
    if token := CALLERS.get(caller):
        headers["Authorization"] = f"Bearer {token}"
    # Each call comes from another network, so that what is limited per network is not what answers.
    number = next(networks)
    headers["X-Forwarded-For"] = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    # Whoever waits for a change would wait for most of the run.
    if case.query and "wait" in case.query:
        case.query["wait"] = 0
