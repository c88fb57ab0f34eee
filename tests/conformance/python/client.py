"""An operator and a verifier made of libraries that this project did not write: jwcrypto
signs, sd-jwt verifies, dnspython asks. Reads what to do as JSON from the first argument
and prints what it found as JSON."""

import base64
import json
import sys
import time
import urllib.request
import uuid

import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
from jwcrypto import jwk, jws
from sd_jwt.verifier import SDJWTVerifier

task = json.loads(sys.argv[1])


def call(path, method="GET", body=None, headers=None):
    request = urllib.request.Request(task["url"] + path, body, headers or {}, method=method)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return answer.status, answer.read()


def register():
    """Registers a world with a record that jwcrypto signed, and finds it again."""
    key = jwk.JWK.generate(kty="EC", crv="P-256")
    now = int(time.time())
    claims = {
        "v": 1,
        "name": task["world"],
        "uuid": str(uuid.uuid4()),
        "title": {"en": "Registered from Python"},
        "endpoints": [{"transport": "minecraft", "host": "python.example", "port": 25565}],
        "seq": 1,
        "iat": now,
        "exp": now + 3600,
        "aud": task["issuer"],
    }
    header = {
        "alg": "ES256",
        "typ": "vwp-world+jws",
        "kid": key.thumbprint(),
        "jwk": key.export_public(as_dict=True),
    }
    token = jws.JWS(json.dumps(claims).encode())
    token.add_signature(key, alg="ES256", protected=json.dumps(header))
    signed = token.serialize(compact=True).encode()
    status, answer = call("/v1/worlds", "POST", signed, {"Content-Type": "application/jose"})
    registered = json.loads(answer)

    # The receipt is a signature of the port, whose keys are in its index.
    index = json.loads(call("/")[1])
    keys = jwk.JWKSet.from_json(json.dumps(index["receipt_keys"]))
    receipt = jws.JWS()
    receipt.deserialize(registered["receipt"])
    kid = json.loads(receipt.objects["protected"])["kid"]
    receipt.verify(keys.get_key(kid), alg="ES256")
    found = json.loads(call("/v1/worlds/" + task["world"])[1])
    return {
        "status": status,
        "operator": registered["operator"],
        "thumbprint": key.thumbprint(),
        "receipt": json.loads(receipt.payload),
        "found": found["operator"],
    }


def verify():
    """Verifies a presentation with the published keys."""
    keys = jwk.JWKSet.from_json(call("/.well-known/jwks.json")[1].decode())
    verifier = SDJWTVerifier(
        task["ours"], lambda _, header: keys.get_key(header["kid"]), task["audience"], task["nonce"]
    )
    return verifier.get_verified_payload()


def over_https(method, question):
    """Sends a question as RFC 8484 says."""
    wire = question.to_wire()
    media_type = "application/dns-message"
    if method == "POST":
        _, answer = call("/dns-query", "POST", wire, {"Content-Type": media_type, "Accept": media_type})
    else:
        text = base64.urlsafe_b64encode(wire).rstrip(b"=").decode()
        _, answer = call("/dns-query?dns=" + text, headers={"Accept": media_type})
    return dns.message.from_wire(answer)


def resolve():
    """Asks for the world over UDP, TCP and HTTP, with EDNS and without."""
    name = "_vw." + task["world"] + "." + task["zone"]
    found = {}
    for edns in (False, 0):
        question = dns.message.make_query(name, "SVCB", use_edns=edns)
        ways = {"post": lambda: over_https("POST", question), "get": lambda: over_https("GET", question)}
        if task["dns"]:
            host, port = task["dns"].rsplit(":", 1)
            ways["udp"] = lambda: dns.query.udp(question, host, port=int(port), timeout=20)
            ways["tcp"] = lambda: dns.query.tcp(question, host, port=int(port), timeout=20)
        for way, ask in ways.items():
            answer = ask()
            assert answer.rcode() == dns.rcode.NOERROR, answer
            records = [record for rrset in answer.answer for record in rrset]
            assert all(record.rdtype == dns.rdatatype.SVCB for record in records), answer
            found[f"{way} {edns}"] = [str(record.target) for record in records]
    return found


print(json.dumps({"registered": register(), "believed": verify(), "resolved": resolve()}))
