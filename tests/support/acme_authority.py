"""An authority that speaks ACME, without a network: a Fetch that checks what is signed, and answers as it is told to."""

import base64
import datetime
import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gatepost.acme.port import Proof
from gatepost.proto.http import Request, Response

BASE = "https://ca.test"
NOW = 1_800_000_000.0
TOKEN = "0123456789abcdefghijklmn"

Answer = Callable[[dict[str, Any]], Response]


def octets(text: str) -> bytes:
    """base64url without padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def answered(value: object, status: int = 200, **headers: str) -> Response:
    """JSON, with header fields: `retry_after="3"`."""
    kind = "application/problem+json" if status >= 400 else "application/json"
    fields = {"content-type": kind, **{name.replace("_", "-"): text for name, text in headers.items()}}
    return Response(status, tuple(fields.items()), json.dumps(value).encode())


def problem(name: str, detail: str = "told so", status: int = 400, **headers: str) -> Response:
    """A problem document."""
    return answered({"type": f"urn:ietf:params:acme:error:{name}", "detail": detail}, status, **headers)


def issued(
    key: Any, domains: Sequence[str], begins: float = NOW - 60, days: float = 90, names: x509.ExtensionType | None = None
) -> str:
    """A certificate for a public key, PEM, by an authority of no other use. `names`: in the place of `domains`."""
    authority = ec.generate_private_key(ec.SECP256R1())
    begin = datetime.datetime.fromtimestamp(begins, datetime.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Test issuer")])
    builder = x509.CertificateBuilder().issuer_name(name).subject_name(x509.Name([])).public_key(key)
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(begin)
    builder = builder.not_valid_after(begin + datetime.timedelta(days=days))
    builder = builder.add_extension(names or x509.SubjectAlternativeName([x509.DNSName(one) for one in domains]), critical=False)
    builder = builder.add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.77"), b"\x30\x00"), critical=False)
    return builder.sign(authority, SHA256()).public_bytes(Encoding.PEM).decode()


class Authority:
    """`fetch` is a Fetch, `respond` and `pause` are what issue() wants.

    - `answers`: by path, what is answered instead of the usual, first to last;
    - `asked`: what has come, path and payload;
    - `proofs`: what was published; `published`: whether it is now;
    - `pauses`: the seconds of each.
    """

    def __init__(self, domains: Sequence[str] = ("mx.test",)) -> None:
        self.domains = domains
        self.answers: dict[str, list[Response]] = {}
        self.asked: list[tuple[str, Any]] = []
        self.proofs: list[Proof] = []
        self.published = False
        self.pauses: list[float] = []
        self.directory: dict[str, Any] = {name: f"{BASE}/{name}" for name in ("newNonce", "newAccount", "newOrder")}
        self._jwk: dict[str, str] = {}
        self._nonces = 0
        self._accepted = False
        self._request = b""

    async def fetch(self, request: Request) -> Response:
        path = request.url.removeprefix(BASE)
        assert request.url.startswith(f"{BASE}/"), request.url
        payload = self._checked(request) if request.method == "POST" else None
        self.asked.append((path, payload))
        response = self.answers[path].pop(0) if self.answers.get(path) else self._usual(path, payload)
        if path == "/directory" or response.status == 503:  # which come without a nonce
            return response
        self._nonces += 1
        return Response(response.status, (*response.headers, ("replay-nonce", f"nonce{self._nonces}")), response.body)

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)

    @asynccontextmanager
    async def respond(self, proofs: Sequence[Proof]) -> Any:
        self.proofs += proofs
        self.published = True
        try:
            yield
        finally:
            self.published = False

    def order(self, status: str, **more: object) -> dict[str, Any]:
        authorizations = [f"{BASE}/authz/{domain}" for domain in self.domains]
        return {"status": status, "authorizations": authorizations, "finalize": f"{BASE}/finalize", **more}

    def authorization(self, domain: str, status: str, kinds: Sequence[str] = ("http-01",), **more: object) -> dict[str, Any]:
        challenges = [{"type": kind, "url": f"{BASE}/challenge", "token": TOKEN, **more} for kind in kinds]
        return {"status": status, "identifier": {"type": "dns", "value": domain}, "challenges": challenges}

    def _usual(self, path: str, payload: Any) -> Response:
        if path.startswith("/authz/"):
            return answered(self.authorization(path.removeprefix("/authz/"), "valid" if self._accepted else "pending"))
        return {
            "/directory": lambda: answered(self.directory),
            "/newNonce": lambda: Response(200),
            "/newAccount": lambda: answered({"status": "valid"}, 201, location=f"{BASE}/account"),
            "/newOrder": lambda: answered(self.order("pending"), 201, location=f"{BASE}/order"),
            "/challenge": self._accept,
            "/order": lambda: answered(self.order("valid", certificate=f"{BASE}/chain") if self._request else self.order("ready")),
            "/finalize": lambda: self._finalize(payload),
            "/chain": lambda: Response(200, (("content-type", "application/pem-certificate-chain"),), self.chain().encode()),
        }[path]()

    def _accept(self) -> Response:
        assert self.published, "the authority is called before anybody answers it"
        self._accepted = True
        return answered({"type": "http-01", "url": f"{BASE}/challenge", "token": TOKEN})

    def _finalize(self, payload: Any) -> Response:
        self._request = octets(payload["csr"])
        return answered(self.order("processing"))

    def chain(self) -> str:
        request = x509.load_der_x509_csr(self._request)
        assert request.is_signature_valid
        return issued(request.public_key(), self.domains)

    def _checked(self, request: Request) -> Any:
        """What was signed; its signature, nonce and URL are looked at."""
        assert ("Content-Type", "application/jose+json") in request.headers
        body = json.loads(request.body)
        protected = json.loads(octets(body["protected"]))
        assert protected["alg"] == "ES256" and protected["url"] == request.url and protected["nonce"] == f"nonce{self._nonces}"
        if "jwk" in protected:
            self._jwk = protected["jwk"]
            assert request.url.endswith("/newAccount")
        else:
            assert protected["kid"] == f"{BASE}/account"
        x, y = (int.from_bytes(octets(self._jwk[name])) for name in "xy")
        key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
        raw = octets(body["signature"])
        signature = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
        key.verify(signature, f"{body['protected']}.{body['payload']}".encode(), ec.ECDSA(SHA256()))
        return json.loads(octets(body["payload"]) or b"null")

    def thumbprint(self) -> str:
        """Of the account's key (RFC 7638)."""
        digest = hashlib.sha256(json.dumps(self._jwk, sort_keys=True, separators=(",", ":")).encode()).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def spki(key: Any) -> bytes:
    """A public key, DER."""
    return bytes(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
