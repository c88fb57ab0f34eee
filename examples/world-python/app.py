"""An inn that travellers stay at for a fee: a world server in Python.

It calls the port's components by their typed interfaces, without HTTP: it registers itself and looks up
other worlds (`vwp:discovery/registry`), believes passports (`vwp:auth/verifier`), and has guests pay
(`vwp:transactions/ledger`). It keeps no state and no key: what the operator has to sign is signed
elsewhere (`vwp sign`) and passed in, and guests pay with tokens of their own.
"""

import base64
import hashlib
import hmac
import json
import sys
import time
from dataclasses import dataclass

import wit_world
from componentize_py_async_support import spawn
from componentize_py_types import Err, Ok
from wit_world import exports
from wit_world.imports import client, ledger, registry, store, verifier
from wit_world.imports import vwp_auth_types as auth
from wit_world.imports import vwp_discovery_types as discovery
from wit_world.imports import vwp_transactions_types as transactions
from wit_world.imports.wasi_http_types import Fields, Method_Get, Method_Post, Request, Response, Scheme_Http

# Where the manifest has the inn.
ROUTE = "/inn"
# The component of the same application that has the port's public keys.
KEYS = ("auth.spin.internal", "/.well-known/jwks.json")
# The longest body that is read, in bytes: a presentation has at most 32,768, and a record 24,576.
BODY_LENGTH_MAX = 65_536
# The longest key set that is read, in bytes: the longest that the verifier takes.
KEYS_LENGTH_MAX = 524_288
# How long a nonce serves, in seconds: as long as a presentation does.
NONCE_LIFETIME_S = 300


class Refusal(Exception):
    """A request that is refused: a problem document (RFC 9457)."""

    def __init__(self, status: int, kind: str, title: str, detail: str, **more: object):
        super().__init__(detail)
        self.status = status
        self.document = {"type": f"urn:vwp:problem:{kind}", "title": title, "status": status}
        self.document |= {"detail": detail, **more}


@dataclass
class Settings:
    """What somebody who runs the inn says about it: the variables of its component."""

    issuer: str
    world: str
    asset: str
    fee: str
    nonce_secret: bytes

    @classmethod
    def read(cls) -> "Settings":
        names = ["issuer", "world", "asset", "fee", "nonce_secret"]
        values = {name: store.get(name) for name in names}
        missing = [name for name, value in values.items() if not value]
        if missing:
            raise ValueError(f"not set: {', '.join(missing)}")
        return cls(**{**values, "nonce_secret": values["nonce_secret"].encode()})


def nonce(settings: Settings, made_s: int) -> str:
    """A nonce of a time that nobody has to remember: the time, and an HMAC of it (RFC 2104)."""
    mac = hmac.new(settings.nonce_secret, f"inn nonce\n{made_s}".encode(), hashlib.sha256).digest()
    return f"{made_s}." + base64.urlsafe_b64encode(mac[:16]).decode().rstrip("=")


def is_fresh(settings: Settings, given: str, now_s: int) -> bool:
    """Whether a nonce was made here, not later than now and not too long ago."""
    text = given.partition(".")[0]
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        return False
    made_s = int(text)
    is_ours = hmac.compare_digest(nonce(settings, made_s).encode(), given.encode())
    return is_ours and made_s <= now_s < made_s + NONCE_LIFETIME_S


class Handler(exports.Handler):
    """What answers requests: `wasi:http/handler`."""

    async def handle(self, request: Request) -> Response:
        try:
            status, document = await answer(request)
        except Refusal as refusal:
            status, document = refusal.status, refusal.document
        except Exception as cause:  # Whoever asks is told nothing of the inside; the log has the cause.
            print(f"a fault: {cause!r}", file=sys.stderr)
            status, document = 500, Refusal(500, "internal", "The inn failed", "the log has the cause").document
        return respond(status, document)


async def answer(request: Request) -> tuple[int, object]:
    """The status and the document that a request is answered with."""
    settings = Settings.read()
    method, path = request.get_method(), (request.get_path_with_query() or "").partition("?")[0]
    token = bearer(request)
    place = path.removeprefix(ROUTE).rstrip("/")
    if isinstance(method, Method_Get) and place == "":
        return 200, await describe(settings)
    if isinstance(method, Method_Get) and place.startswith("/roads/"):
        return 200, shown(await look_up(place.removeprefix("/roads/")))
    if isinstance(method, Method_Post) and place == "/open":
        return await open_inn(await body(request, {"record", "asset"}))
    if isinstance(method, Method_Post) and place == "/stays":
        return await stay(settings, token, await body(request, {"presentation", "nonce", "stay"}))
    raise Refusal(404, "not-found", "There is no such thing", "the inn has no such place")


async def describe(settings: Settings) -> object:
    """The inn as it is registered, what it costs, and a nonce to present a passport for."""
    world = shown(await look_up(settings.world))
    fee = {"to": f"world:{settings.world}", "asset": settings.asset, "amount": settings.fee}
    return {"world": world, "fee": fee, "nonce": nonce(settings, int(time.time()))}


async def open_inn(given: dict[str, str]) -> tuple[int, object]:
    """Registers the inn and the asset that it is paid in, as its operator has signed them."""
    try:
        made = await registry.register(given["record"])
        asset, novelty = await ledger.create_asset(given["asset"])
    except Err as error:
        raise of_port(error.value) from None
    status = 201 if made.is_new or novelty == transactions.Novelty.CREATED else 200
    return status, {"world": made.name, "fqdn": made.fqdn, "asset": asset.name}


async def stay(settings: Settings, token: str, given: dict[str, str]) -> tuple[int, object]:
    """Lets in who has a passport, and takes the fee from its account: once for each stay."""
    now = time.time()
    if not is_fresh(settings, given["nonce"], int(now)):
        raise untrusted("nonce-stale", "present the passport for a nonce of GET /inn")
    expected = auth.Expectation(settings.issuer, settings.world, given["nonce"], int(now * 1000))
    try:
        passport = verifier.verify(given["presentation"], await keys(), expected)
    except Err as error:
        raise untrusted(error.value.reason, error.value.detail) from None
    if passport.subject is None:
        raise untrusted("passport-not-pairwise", "present a copy that was issued for this world")
    order = ledger.Order(
        kind=ledger.Kind.PLAIN, from_=None, to=f"world:{settings.world}", asset=settings.asset, origin=None,
        amount=settings.fee, memo="a night", code=None, effective_date=None, balancing=None, timeout_s=None,
        condition=None, preimage=None,
    )
    keyed = ledger.KeyedOrder(transactions.Credential_Token(token), f"stay-{given['stay']}", order)
    try:
        receipt, novelty = await ledger.transfer(ledger.Instruction_Traveller(keyed))
    except Err as error:
        raise of_port(error.value) from None
    paid = {"transfer_id": receipt.transfer_id, "from": receipt.from_, "amount": receipt.amount}
    status = 201 if novelty == transactions.Novelty.CREATED else 200
    return status, {"subject": passport.subject, "handle": passport.handle, "paid": paid}


async def look_up(name: str) -> discovery.RegisteredWorld:
    """A world by its name."""
    try:
        world = await registry.lookup(name)
    except Err as error:
        raise of_port(error.value) from None
    if world is None:
        raise Refusal(404, "not-found", "There is no such thing", "no world is registered under this name")
    return world


def shown(world: discovery.RegisteredWorld) -> object:
    """What is told of a world."""
    endpoints = [{"transport": it.transport, "host": it.host, "port": it.port} for it in world.endpoints]
    title = {it.language: it.text for it in world.title}
    return {"name": world.name, "fqdn": world.fqdn, "title": title, "endpoints": endpoints}


def of_port(error: object) -> Exception:
    """What an error of the registry or the ledger is for who asked: what they can mend, and no more."""
    match error:
        case discovery.Error_Refused(refusal):
            return Refusal(400, refusal.reason, "The registry refuses it", refusal.detail)
        case transactions.Error_Unauthorised(detail):
            return Refusal(401, "unauthorised", "The caller is not known", detail)
        case transactions.Error_InsufficientFunds():
            detail = "the account holds less than the fee"
            return Refusal(422, "insufficient-funds", "The funds do not suffice", detail)
        case transactions.Error_IdempotencyKeyReused():
            detail = "the stay was paid with another fee"
            return Refusal(422, "idempotency-key-reused", "The stay is another one", detail)
        case transactions.Error_Invalid(detail) | transactions.Error_Forbidden(detail):
            return Refusal(400, "bad-request", "The request is malformed", detail)
        case discovery.Error_Unavailable() | discovery.Error_Unknown() | transactions.Error_Unavailable() \
                | transactions.Error_OutcomeUnknown():
            return Refusal(503, "unavailable", "The port cannot answer now", "send the same request again")
        case _:
            return RuntimeError(f"the port failed: {error}")


def untrusted(reason: str, detail: str) -> Refusal:
    """Why a passport is not believed."""
    return Refusal(401, "passport-refused", "The passport is not believed", detail, reason=reason)


async def keys() -> str:
    """The port's public keys, from the component beside this one."""
    request = Request.new(Fields(), None, no_trailers(), None)[0]
    request.set_scheme(Scheme_Http())
    request.set_authority(KEYS[0])
    request.set_path_with_query(KEYS[1])
    response = await client.send(request)
    if response.get_status_code() != 200:
        raise RuntimeError(f"{KEYS[0]} answered {response.get_status_code()}")
    return (await collected(Response.consume_body(response, done())[0], KEYS_LENGTH_MAX)).decode()


def bearer(request: Request) -> str:
    """The token of `Authorization: Bearer` (RFC 6750, section 2.1); empty if there is none."""
    values = request.get_headers().get("authorization")
    scheme, _, token = values[0].decode("latin-1").partition(" ") if values else ("", "", "")
    return token if scheme.lower() == "bearer" else ""


async def body(request: Request, members: set[str]) -> dict[str, str]:
    """A JSON object of exactly these members, which are texts."""
    content = await collected(Request.consume_body(request, done())[0], BODY_LENGTH_MAX)
    try:
        given = json.loads(content)
    except ValueError:
        given = None
    is_right = isinstance(given, dict) and given.keys() == members
    if not is_right or not all(isinstance(value, str) for value in given.values()):
        wanted = ", ".join(sorted(members))
        raise Refusal(400, "bad-request", "The request is malformed", f"the body is JSON with the texts {wanted}")
    return given


async def collected(reader, length_max: int) -> bytes:
    """All of a stream, if it is not too long."""
    content = b""
    with reader:
        while not reader.writer_dropped:
            content += await reader.read(16_384)
            if len(content) > length_max:
                raise Refusal(413, "content-too-large", "The content is too long", f"at most {length_max} bytes")
    return content


def respond(status: int, document: object) -> Response:
    """An answer with a JSON body."""
    content = json.dumps(document).encode()
    media_type = b"application/json" if status < 400 else b"application/problem+json"
    writer, reader = wit_world.byte_stream()

    async def write() -> None:
        with writer:
            await writer.write_all(content)

    spawn(write())
    fields = Fields.from_list([("content-type", media_type), ("content-length", str(len(content)).encode())])
    response = Response.new(fields, reader, no_trailers())[0]
    response.set_status_code(status)
    return response


def no_trailers():
    """A body that nothing follows."""
    return wit_world.result_option_wasi_http_types_fields_wasi_http_types_error_code_future(lambda: Ok(None))[1]


def done():
    """Says that a body was read."""
    return wit_world.result_unit_wasi_http_types_error_code_future(lambda: Ok(None))[1]
