"""A world's server made of Authlib: it proves who it is with a key, logs a traveller in with PKCE,
believes the ID token with the published keys, and manages its tokens. Reads what to do as JSON from
the first argument and prints what it found as JSON."""

import html
import json
import re
import sys
from urllib.parse import urljoin

import requests
from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

task = json.loads(sys.argv[1])
issuer = task["issuer"]
metadata = requests.get(issuer + "/.well-known/openid-configuration", timeout=20).json()
assert metadata["issuer"] == issuer, metadata


def walk(start):
    """What a person does in a browser: signs in, agrees, and is sent to the world."""
    browser, url, form = requests.Session(), start, None
    for _ in range(12):
        if form is None:
            answer = browser.get(url, allow_redirects=False, timeout=20)
        else:
            answer = browser.post(url, data=form, allow_redirects=False, timeout=20)
        form = None
        if "Location" in answer.headers:
            url = urljoin(url, answer.headers["Location"])
            if not url.startswith(issuer + "/"):
                return url
            continue
        assert answer.status_code == 200, answer.text
        action = re.search(r'<form method="post" action="([^"]*)"', answer.text)[1]
        known = {"handle": task["handle"], "password": task["password"], "decision": "allow"}
        known["csrf"] = re.search(r'name="csrf" value="([^"]*)"', answer.text)[1]
        names = set(re.findall(r'<(?:input|button)[^>]* name="([^"]*)"', answer.text))
        form = {name: known[name] for name in names}
        url = urljoin(url, html.unescape(action))
    raise AssertionError("the journey has no end")


session = OAuth2Session(
    task["client"],
    ECKey.import_key(task["key"]),
    token_endpoint_auth_method="private_key_jwt",
    revocation_endpoint_auth_method="private_key_jwt",
    scope="openid profile offline_access",
    redirect_uri=task["redirect_uri"],
    code_challenge_method="S256",
)
# The audience of an assertion is the issuer alone.
session.register_client_auth_method(PrivateKeyJWT(issuer, headers={"kid": task["kid"]}, alg="ES256"))

verifier, nonce = generate_token(48), generate_token(16)
url, state = session.create_authorization_url(
    metadata["authorization_endpoint"], code_verifier=verifier, nonce=nonce
)
callback = walk(url)
tokens = dict(
    session.fetch_token(
        metadata["token_endpoint"], authorization_response=callback, state=state, code_verifier=verifier
    )
)

keys = KeySet.import_key_set(requests.get(metadata["jwks_uri"], timeout=20).json())
believed = jwt.decode(tokens["id_token"], keys, algorithms=["ES256"])
registry = jwt.JWTClaimsRegistry(
    iss={"essential": True, "value": issuer},
    aud={"essential": True, "value": task["client"]},
    nonce={"essential": True, "value": nonce},
    exp={"essential": True},
)
registry.validate(believed.claims)

user = session.get(metadata["userinfo_endpoint"], timeout=20).json()
first = tokens["access_token"]
refreshed = dict(session.refresh_token(metadata["token_endpoint"], refresh_token=tokens["refresh_token"]))
active = session.introspect_token(metadata["introspection_endpoint"], token=refreshed["access_token"]).json()
revoked = session.revoke_token(metadata["revocation_endpoint"], token=refreshed["refresh_token"])
ended = [
    session.introspect_token(metadata["introspection_endpoint"], token=token).json()["active"]
    for token in (first, refreshed["access_token"])
]

print(
    json.dumps(
        {
            "claims": believed.claims,
            "user": user,
            "scope": tokens["scope"],
            "rotated": refreshed["refresh_token"] != tokens["refresh_token"],
            "active": active,
            "revoked": revoked.status_code,
            "ended": ended,
        }
    )
)
