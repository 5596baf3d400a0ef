"""Signed tokens: those that count, and every kind of forgery."""

import json
import zlib

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st
from tests.support import issuer
from tests.support.issuer import Signer, encoded, key_set

from gatepost.auth.backends.signed_token import ALGORITHMS, LONGEST, Signature, claims, fitting, head, keys_of
from gatepost.auth.backends.token_claims import Claims, WrongToken

ONE = Signer()
OTHER = Signer()
"""Another key under the same id."""
KEYS = keys_of(key_set(ONE))
WANTED = Signature()


def judged(token: bytes, keys: bytes | None = None, wanted: Signature = WANTED) -> Claims:
    known = KEYS if keys is None else keys_of(keys)
    top = head(token, wanted)
    return claims(token, top, fitting(known, top))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_each_algorithm(algorithm: str) -> None:
    signer = Signer(algorithm=algorithm)
    assert judged(signer.token(), key_set(signer))["email"] == issuer.USER
    other = Signer(algorithm=algorithm)
    with pytest.raises(WrongToken):
        judged(other.token(), key_set(signer))


def test_a_key_that_does_not_say_its_algorithm() -> None:
    public = {name: value for name, value in ONE.public.items() if name not in ("alg", "use")}
    signer = Signer(algorithm="PS384")
    signer.private = ONE.private
    for one in (ONE, signer):
        assert judged(one.token(), key_set(public))
    with pytest.raises(WrongToken):
        judged(signer.token(), key_set(ONE))  # whose key says RS256


@pytest.mark.parametrize("header", [{"kid": None}, {"typ": None}, {"typ": "at+jwt"}, {"typ": "application/AT+JWT"}, {"x": 1}])
def test_headers_that_do_no_harm(header: dict[str, object]) -> None:
    assert judged(ONE.token(header))


def test_the_type_that_is_asked_for() -> None:
    wanted = Signature(type="at+jwt")
    assert judged(ONE.token({"typ": "AT+JWT"}), wanted=wanted)
    for other in ({}, {"typ": None}, {"typ": "logout+jwt"}):
        with pytest.raises(WrongToken):
            judged(ONE.token(other), wanted=wanted)


def _pem() -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return bytes(ONE.private.public_key().public_bytes(serialization.Encoding.PEM, form))


_HEAD, _SAID, _SIGNED = ONE.token().split(b".")
FORGERIES = {
    "without a signature": issuer.unsigned(),
    "none in other letters": encoded({"alg": "NoNe"}) + b"." + encoded(issuer.claims()) + b".AA",
    "the signature cut off": _HEAD + b"." + _SAID + b".",
    "HMAC with the public key": issuer.by_secret(_pem(), {"kid": "one"}),
    "HMAC with an empty secret": issuer.by_secret(b"", {"kid": "one"}),
    "HMAC with the modulus": issuer.by_secret(ONE.public["n"].encode(), {}),
    "another key under the id": OTHER.token(),
    "another key, no id": OTHER.token({"kid": None}),
    "an id that is not known": ONE.token({"kid": "two"}),
    "an id that is a path": ONE.token({"kid": "../../dev/null"}),
    "an id that is no text": ONE.token({"kid": 1}),
    "its own key": OTHER.token({"jwk": OTHER.public}),
    "its own key's place": OTHER.token({"jku": "https://evil.test/keys", "x5u": "https://evil.test/x"}),
    "its own certificate": OTHER.token({"x5c": ["MIIB"], "kid": None}),
    "critical extensions": ONE.token({"crit": ["exp"], "exp": 1}),
    "no critical extensions": ONE.token({"crit": []}),
    "a payload as it is": ONE.token({"b64": False}),
    "a compressed payload": ONE.token({"zip": "DEF"}),
    "encrypted": encoded({"alg": "RSA-OAEP", "enc": "A128GCM"}) + b".AA.AA.AA.AA",
    "of another type": ONE.token({"typ": "secevent+jwt"}),
    "of no type": ONE.token({"typ": ["JWT"]}),
    "an algorithm that is none": ONE.token({"alg": "RS257"}),
    "an algorithm in a list": ONE.token({"alg": ["RS256"]}),
    "no algorithm": ONE.token({"alg": None}),
    "another algorithm of the key": ONE.token({"alg": "PS256"}),
    "other claims": _HEAD + b"." + encoded(issuer.claims(email="other@example.test")) + b"." + _SIGNED,
    "a claim that is put in front": _HEAD + b"." + encoded(b'{"a":1}') + _SAID + b"." + _SIGNED,
    "padding": ONE.token() + b"=",
    "a part more": ONE.token() + b".AA",
    "a line feed": ONE.token() + b"\n",
    "claims that are a list": ONE.token(said=[]),  # type: ignore[arg-type]
    "deep": encoded(b"[" * 6000) + b".AA.AA",
    "deep claims": ONE.token({"x": json.loads("[" * 400 + "]" * 400), "alg": "none"}),
    "long": ONE.token(pad="x" * LONGEST),
    "not UTF-8": encoded(b"\xff\xfe{}") + b".AA.AA",
    "compressed": encoded(zlib.compress(b"{}")) + b".AA.AA",
    "empty": b"",
    "dots": b"..",
    "opaque": b"2YotnFZFEjr1zCsicMWpAA",
}


@pytest.mark.parametrize("kind", FORGERIES)
def test_forgeries(kind: str) -> None:
    with pytest.raises(WrongToken) as caught:
        judged(FORGERIES[kind])
    assert "example.test" not in str(caught.value)
    assert caught.value.status == "invalid_token"


def test_the_signature_of_an_elliptic_curve_that_proves_anything() -> None:
    """CVE-2022-21449: r = s = 0."""
    signer = Signer(algorithm="ES256")
    token = signer.token().rpartition(b".")[0] + b"." + encoded(bytes(64))
    with pytest.raises(WrongToken):
        judged(token, key_set(signer))


def test_an_algorithm_that_is_not_configured() -> None:
    with pytest.raises(WrongToken):
        judged(ONE.token(), wanted=Signature(frozenset(("ES256",))))


@given(st.binary(max_size=300) | st.lists(st.binary(max_size=60).map(encoded), min_size=3, max_size=3).map(b".".join))
def test_no_octets_raise_anything_else(token: bytes) -> None:
    with pytest.raises(WrongToken):
        judged(token)


_JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=9), lambda one: st.lists(one, max_size=3))


@given(st.dictionaries(st.sampled_from(("alg", "kid", "typ", "crit", "x")), _JSON | st.just("RS256") | st.just("one")))
def test_no_header_makes_a_false_signature_right(header: dict[str, object]) -> None:
    with pytest.raises(WrongToken):
        judged(encoded(header) + b"." + _SAID + b"." + encoded(b"x" * 256))


# --- keys ---


def test_keys_that_are_of_no_use_are_passed_over() -> None:
    small = json.loads(key_set(ONE))["keys"][0] | {"n": "AQAB" * 40, "kid": "small"}
    others = [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "secret"},
        {"kty": "RSA"},
        {"kty": "AKP", "alg": "ML-DSA-65", "pub": "AA"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"},
        {"kty": "OKP", "crv": "X25519", "x": "AA"},
        {"kty": ["RSA"], "crv": ["P-256"]},
        ONE.public | {"use": "enc"},
        ONE.public | {"key_ops": ["encrypt"]},
        ONE.public | {"key_ops": 1},
        ONE.public | {"alg": "RSA-OAEP"},
        ONE.public | {"alg": ["RS256"]},
        ONE.public | {"kid": 1},
        ONE.public | {"e": encoded(b"\xff" * 200).decode()},
        ONE.public | {"n": 5},
        small,
    ]
    assert [key.id for key in keys_of(key_set(*others, ONE))] == ["one"]
    for other in others:
        with pytest.raises(ValueError):
            keys_of(key_set(other))


def test_a_private_key_is_not_taken_up() -> None:
    from jwt.algorithms import RSAAlgorithm

    private = json.loads(RSAAlgorithm.to_jwk(ONE.private)) | {"kid": "one"}
    private.pop("key_ops")
    assert not hasattr(keys_of(key_set(private))[0].key, "sign")


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"keys": {}}', b'{"keys": []}', b"\xff", b"[" * 100_000, b"<html>"])
def test_no_set_of_keys(text: bytes) -> None:
    with pytest.raises(ValueError):
        keys_of(text)


def test_a_crowd_of_keys() -> None:
    with pytest.raises(ValueError, match="more than 50"):
        keys_of(key_set(*[ONE.public] * 51))


@given(st.dictionaries(st.sampled_from(("kty", "crv", "n", "e", "x", "y", "alg", "use", "key_ops", "kid")), _JSON))
def test_no_key_raises_anything_else(key: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        keys_of(key_set(key))
