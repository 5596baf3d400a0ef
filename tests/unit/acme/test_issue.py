"""One certificate, from the directory to its chain, against an authority that answers as it is told to."""

import asyncio
import hmac
import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.acme_authority import BASE, NOW, TOKEN, Authority, answered, octets, problem

from gatepost.acme import answers, certificate
from gatepost.acme.issue import PATIENCE, issue
from gatepost.acme.jws import AccountKey
from gatepost.acme.port import AcmeFailure
from gatepost.acme.session import Binding, Session
from gatepost.proto.http import Response

KEY = AccountKey.make()
HOST_KEY = certificate.make_key("ecdsa")


def obtained(authority: Authority, contacts: Sequence[str] = (), binding: Binding | None = None) -> str:
    """The chain that `authority` issues. Raises AcmeFailure."""

    async def talk() -> str:
        session = Session(f"{BASE}/directory", KEY, authority.fetch, lambda: NOW)
        await session.open(contacts, binding)
        request = certificate.request(HOST_KEY, authority.domains)
        return await issue(session, authority.domains, "http-01", request, authority.respond, authority.pause)

    return asyncio.run(talk())


def failure(authority: Authority) -> AcmeFailure:
    with pytest.raises(AcmeFailure) as caught:
        obtained(authority)
    assert not authority.published
    return caught.value


def test_from_the_directory_to_the_chain() -> None:
    authority = Authority(("mx.test", "mail.test"))
    chain = obtained(authority, ["postmaster@mx.test"])
    assert certificate.chain_file(HOST_KEY, chain, ["mx.test", "mail.test"], NOW).startswith(b"-----BEGIN PRIVATE KEY-----")
    asked = dict(authority.asked)
    assert asked["/newAccount"] == {"termsOfServiceAgreed": True, "contact": ["mailto:postmaster@mx.test"]}
    assert asked["/newOrder"] == {"identifiers": [{"type": "dns", "value": one} for one in ("mx.test", "mail.test")]}
    assert asked["/challenge"] == {} and asked["/order"] is None
    assert [proof.domain for proof in authority.proofs] == ["mx.test", "mail.test"]
    assert {proof.key_authorization for proof in authority.proofs} == {f"{TOKEN}.{authority.thumbprint()}"}
    assert not authority.published


def test_what_was_shown_before_is_not_asked_again() -> None:
    authority = Authority()
    authority.answers["/authz/mx.test"] = [answered(authority.authorization("mx.test", "valid"))]
    obtained(authority)
    assert not authority.proofs and "/challenge" not in dict(authority.asked)


def test_an_authorization_may_be_named_twice() -> None:
    authority = Authority()
    twice = authority.order("pending", authorizations=[f"{BASE}/authz/mx.test"] * 2)
    authority.answers["/newOrder"] = [answered(twice, 201, location=f"{BASE}/order")]
    assert obtained(authority)
    assert [proof.domain for proof in authority.proofs] == ["mx.test"]


@pytest.mark.parametrize("path", ["/newAccount", "/newOrder", "/challenge", "/finalize", "/chain"])
def test_a_nonce_that_is_refused_is_replaced(path: str) -> None:
    authority = Authority()
    authority.answers[path] = [problem("badNonce")] * 3
    obtained(authority)
    assert [asked for asked, _ in authority.asked].count(path) == 4


def test_nonces_are_not_refused_for_ever() -> None:
    authority = Authority()
    authority.answers["/newOrder"] = [problem("badNonce")] * 1000
    assert "badNonce: told so" in str(failure(authority))
    assert [asked for asked, _ in authority.asked].count("/newOrder") == 10


@pytest.mark.parametrize(
    ("name", "text"),
    [("newNonce", "http://ca.test/x"), ("newAccount", "file:///etc/passwd"), ("newOrder", "https://me@ca.test/"), ("newOrder", "")],
)
def test_no_url_but_https_is_asked(name: str, text: str) -> None:
    authority = Authority()
    authority.directory[name] = text
    assert "not a URL of https" in str(failure(authority))


@pytest.mark.parametrize(
    ("path", "response", "told"),
    [
        ("/directory", Response(503), "ca.test: answered with status 503"),
        ("/directory", answered({}), "ca.test: an answer that is none"),
        ("/newAccount", answered({"status": "deactivated"}), "the account is deactivated"),
        ("/newOrder", problem("rateLimited", "too many", 429), "ca.test: rateLimited: too many"),
        ("/newOrder", Response(200, (), b"\xff" * 100), "an answer that is none"),
        ("/newOrder", Response(200, (), b"[" * 100_000), "an answer that is none"),
        (
            "/order",
            answered(Authority().order("invalid", error={"detail": "caa\nno\x1b[31m"})),
            "is invalid: caa?no?[31m",
        ),
        ("/authz/mx.test", answered(Authority().authorization("mx.test", "expired")), "the authorization is expired"),
        ("/authz/mx.test", answered(Authority().authorization("mx.test", "pending", ["dns-01"])), "offers no http-01, but: dns-01"),
        ("/authz/mx.test", answered(Authority().authorization("mx.test", "pending", token="../../../etc/passwd")), "a token that"),
        ("/authz/mx.test", answered(Authority().authorization("a\0.test", "pending")), "asks for another domain: a?.test"),
        ("/newNonce", Response(503), "ca.test: no nonce came, but status 503"),
    ],
)
def test_what_goes_wrong_is_told(path: str, response: Response, told: str) -> None:
    authority = Authority()
    authority.answers[path] = [response]
    assert told in str(failure(authority))


def test_a_challenge_that_fails_is_told_with_the_authority_s_words() -> None:
    authority = Authority()
    pending = answered(authority.authorization("mx.test", "pending"))
    invalid = authority.authorization(
        "mx.test", "invalid", error={"type": "urn:ietf:params:acme:error:connection", "detail": "refused"}
    )
    authority.answers["/authz/mx.test"] = [pending, pending, answered(invalid)]
    assert str(failure(authority)) == "mx.test is invalid: connection: refused"


def test_the_authority_says_how_long_to_wait_within_bounds() -> None:
    authority = Authority()
    waits = ["7", "0", "86400", "Fri, 15 Jan 2027 08:00:12 GMT", "soon"]
    authority.answers["/order"] = [answered(authority.order("processing"), retry_after=wait) for wait in waits]
    obtained(authority)
    assert authority.pauses == [7, 1, 30, 12, 1]


def test_nothing_is_waited_for_without_end() -> None:
    authority = Authority()
    authority.answers["/order"] = [answered(authority.order("pending"), retry_after="30")] * 1000
    assert "still pending" in str(failure(authority))
    assert sum(authority.pauses) <= PATIENCE


def test_a_rate_limit_says_how_long_to_stay_away() -> None:
    authority = Authority()
    authority.answers["/newOrder"] = [problem("rateLimited", status=429, retry_after="7200")]
    assert failure(authority).wait == 7200
    authority.answers["/newOrder"] = [problem("rateLimited", status=429, retry_after="9" * 400)]
    assert failure(authority).wait == 86400


def test_an_account_that_the_authority_knows_already() -> None:
    """External account binding (RFC 8555 §7.3.4)."""
    authority = Authority()
    authority.directory["meta"] = {"externalAccountRequired": True}
    assert "acme_eab_key_id" in str(failure(authority))
    obtained(authority, binding=Binding("kid-1", b"secret"))
    bound = dict(authority.asked)["/newAccount"]["externalAccountBinding"]
    assert json.loads(octets(bound["protected"])) == {"alg": "HS256", "kid": "kid-1", "url": f"{BASE}/newAccount"}
    assert json.loads(octets(bound["payload"])) == KEY.jwk
    wanted = hmac.digest(b"secret", f"{bound['protected']}.{bound['payload']}".encode(), "sha256")
    assert octets(bound["signature"]) == wanted
    assert "secret" not in repr(Binding("kid-1", b"secret"))


def test_the_account_s_key_is_kept_as_it_is() -> None:
    assert AccountKey.read(KEY.pem()).thumbprint == KEY.thumbprint
    for pem in (b"", b"rubbish", certificate_of_another_kind()):
        with pytest.raises(AcmeFailure):
            AccountKey.read(pem)


def certificate_of_another_kind() -> bytes:
    """An RSA key, PEM."""
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return certificate.make_key("rsa").private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@given(st.binary(max_size=200), st.sampled_from([answers.Directory, answers.Order, answers.Authorization, answers.Challenge]))
def test_an_answer_is_a_value_or_a_failure(body: bytes, kind: type) -> None:
    with pytest.raises(AcmeFailure) as caught:
        answers.read(Response(200, (), body), kind, "ca.test")
    assert str(caught.value).isprintable() and len(str(caught.value)) < 400


@given(st.binary(max_size=300), st.text(max_size=40))
def test_a_problem_is_one_short_line(body: bytes, wait: str) -> None:
    response = Response(500, (("content-type", "application/problem+json"), ("retry-after", wait)), body)
    assert str(answers.problem(response)).isprintable()
    assert 0 <= answers.retry_after(response, NOW) <= 86400
