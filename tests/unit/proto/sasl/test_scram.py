"""SCRAM: the examples of the RFCs, what ties it to TLS, and what hostile ends say."""

from base64 import b64decode, b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fuzz import login
from tests.support.checkers import DECOYS, keys

from gatepost.proto.sasl import scram
from gatepost.proto.sasl.port import (
    Accepted,
    Challenge,
    Credentials,
    Failed,
    HasShown,
    Login,
    Malformed,
    Refused,
    Reply,
    ScramKeys,
    ScramKeysOf,
    Secret,
    check_end,
)
from gatepost.proto.sasl.saslprep import prepared_password, saslprep
from gatepost.proto.sasl.scram import Binding
from gatepost.proto.sasl.scram_keys import ITERATIONS, SALT, Decoys, Form, key_pair

PENCIL = Secret(b"pencil")
EXAMPLES = [
    (  # RFC 5802 §5
        "sha1", "fyko+d2lbbFgONRv9qkxdawL", "3rfcNHYJY1ZVvWVs7j", "QSXCR+Q6sek8bf92",
        "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", "rmF9pqV8S7suAoZWja4dJRkFsKQ=",
    ),
    (  # RFC 7677 §3
        "sha256", "rOprNGfwEbeRWgbNEkqO", "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", "W22ZaJ0SNY7soEsUEjb6gQ==",
        "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("digest", "ours", "theirs", "salt", "proof", "verifier"), EXAMPLES)
def test_the_examples_of_the_rfcs(digest: str, ours: str, theirs: str, salt: str, proof: str, verifier: str) -> None:
    client = scram.client(Credentials("user", PENCIL), digest, ours, Binding())
    first = next(client)
    assert first == f"n,,n=user,r={ours}".encode()
    told = f"r={ours}{theirs},s={salt},i=4096".encode()
    final = client.send(told)
    assert final == f"c=biws,r={ours}{theirs},p={proof}".encode()
    assert client.send(f"v={verifier}".encode()) == b""
    check_end(client)
    assert served(digest, theirs, b64decode(salt), first, final) == [told, f"v={verifier}".encode(), Login("user")]


def served(digest: str, nonce: str, salt: bytes, *said: bytes, binding: Binding | None = None, known: bool = True) -> list[object]:
    """What a server of `user` says to that, and how it ends."""
    exchange, heard = scram.server(digest, nonce, binding or Binding(), DECOYS), list[object]()
    responses = iter((*said, b""))
    reply: Reply | None = None
    try:
        while True:
            step = next(exchange) if reply is None else exchange.send(reply)
            if isinstance(step, Challenge):
                heard += [step.octets] if reply is not None else []
                reply = next(responses)
            elif isinstance(step, HasShown):
                reply = Accepted(step.user) if step.right else Refused()
            else:
                assert step == ScramKeysOf("user", digest)
                reply = keys("user", b"pencil", digest, salt) if known else Refused()
    except StopIteration as end:
        return [*heard, end.value]
    except Failed as failure:
        return [*heard, failure]


def conversed(binding_of_client: Binding, binding_of_server: Binding, password: bytes = b"pencil", *, known: bool = True) -> object:
    """How an exchange between ours ends at the server, and whether the client is content."""
    client = scram.client(Credentials("user", Secret(password)), "sha256", "c", binding_of_client)
    server = scram.server("sha256", "s", binding_of_server, DECOYS)
    next(server)
    said = next(client)
    try:
        step = server.send(said)
        while True:
            if isinstance(step, Challenge):
                step = server.send(client.send(step.octets))
            elif isinstance(step, HasShown):
                step = server.send(Accepted(step.user) if step.right else Refused())
            else:
                assert step == ScramKeysOf("user", "sha256")
                step = server.send(keys("user", b"pencil", "sha256") if known else Refused())
    except StopIteration as end:
        check_end(client)
        return end.value
    except Failed as failure:
        return str(failure)


THIS, OTHER = {"tls-exporter": b"this", "tls-unique": b"old"}, {"tls-exporter": b"other", "tls-unique": b"old"}


@pytest.mark.parametrize(
    ("client", "server", "ends"),
    [
        (Binding(), Binding(), Login("user")),
        (Binding(True, True, THIS), Binding(True, True, THIS), Login("user")),
        (Binding(True, True, THIS), Binding(True, True, OTHER), "malformed SCRAM message"),  # somebody in between
        (Binding(True, True, {"tls-unique": b"old"}), Binding(True, True, OTHER), Login("user")),
        (Binding(True, True, {"tls-unique": b"old"}), Binding(True, True, {"tls-exporter": b"x"}),
         "unsupported channel binding type"),
        (Binding(False, False, THIS), Binding(False, True, THIS), "channel binding was offered, and somebody has taken it away"),
        (Binding(False, False, THIS), Binding(False, False, THIS), Login("user")),
        (Binding(False, False), Binding(False, True, THIS), Login("user")),
        (Binding(True, True, THIS), Binding(False, True, THIS), "malformed SCRAM message"),
        (Binding(False, True), Binding(True, True, THIS), "malformed SCRAM message"),
    ],
)  # fmt: skip
def test_channel_binding(client: Binding, server: Binding, ends: object) -> None:
    assert conversed(client, server) == ends


@pytest.mark.parametrize("known", [True, False])
def test_a_user_that_there_is_not_is_refused_as_a_wrong_password_is(known: bool) -> None:
    assert conversed(Binding(), Binding(), b"wrong", known=known) == "authentication failure"
    assert conversed(Binding(), Binding(), b"", known=False) == "authentication failure"


def test_a_user_has_several_passwords() -> None:
    """The server tells one salt, and each of them does."""
    all_of_them = kept(b"own", b"phone", b"printer")
    said = [ends(password, all_of_them, all_of_them) for password in (b"own", b"phone", b"printer", b"other")]
    assert said == [Login("user")] * 3 + ["wrong"]


@pytest.mark.parametrize("then", [(b"own",), ()], ids=["others stay", "the user is gone"])
def test_a_password_that_is_taken_back_finishes_no_exchange_begun_before(then: tuple[bytes, ...]) -> None:
    before, after = kept(b"own", b"phone"), kept(*then) if then else Refused()
    assert ends(b"phone", before, after) == "wrong"
    assert ends(b"own", before, after) == (Login("user") if then else "wrong")


def test_a_user_who_is_made_in_mid_exchange_is_none_yet() -> None:
    """His salt is another than the one that the client was told."""
    assert ends(b"own", Refused(), kept(b"own")) == "wrong"


def kept(*passwords: bytes) -> ScramKeys:
    return ScramKeys("user", b"salt", 4096, tuple(key_pair(password, "sha256", b"salt", 4096) for password in passwords))


def ends(password: bytes, *known: ScramKeys | Refused) -> object:
    """How an exchange with our client ends. `known`: what the server hears each time that it asks for keys."""
    client = scram.client(Credentials("user", Secret(password)), "sha256", "c", Binding())
    server = scram.server("sha256", "s", Binding(), DECOYS)
    next(server)
    step, answers = server.send(next(client)), iter(known)
    try:
        while True:
            if isinstance(step, HasShown) and not step.right:
                return "wrong"
            if isinstance(step, ScramKeysOf):
                step = server.send(next(answers))
            else:
                step = server.send(client.send(step.octets) if isinstance(step, Challenge) else Accepted("user"))
    except StopIteration as end:
        check_end(client)  # it has been shown that the server knows this password
        return end.value


@pytest.mark.parametrize("said", [b"n,a=,n=user,r=c", b"n,a=user,n=user,r=c", b"y,,n=user,r=c"])
def test_first_messages(said: bytes) -> None:
    """An empty authorization identity is what GNU SASL's client says where it has none."""
    server = scram.server("sha256", "s", Binding(), DECOYS)
    next(server)
    assert server.send(said) == ScramKeysOf("user", "sha256")


def told_of_nobody(decoys: Decoys, digest: str = "sha256", user: str = "nobody") -> bytes:
    server = scram.server(digest, "s", Binding(), decoys)
    next(server)
    server.send(f"n,,n={user},r=c".encode())
    told = server.send(Refused())
    assert isinstance(told, Challenge)
    return told.octets


def test_what_is_told_of_a_user_that_there_is_not_stays() -> None:
    one, other = (Decoys(key, {Form(): 1}) for key in (b"1", b"2"))
    assert told_of_nobody(one) == told_of_nobody(one)
    told = [told_of_nobody(one), told_of_nobody(other), told_of_nobody(one, "sha1"), told_of_nobody(one, user="other")]
    assert len(set(told)) == 4
    for text in told:
        nonce, salt, iterations = text.decode().split(",")
        assert (nonce, len(b64decode(salt[2:])), iterations) == ("r=cs", SALT, f"i={ITERATIONS}")


def test_decoys_look_like_users() -> None:
    """Where users' keys differ in form, decoys do, as often; and few change where users do."""
    few, many = Form(16, 4096), Form(24, 65536)
    before, after = Decoys(b"k", {few: 10, many: 90}), Decoys(b"k", {few: 11, many: 89})
    names = [f"user{number}" for number in range(2000)]

    def form(decoys: Decoys, name: str) -> Form:
        keys = decoys.keys(name, "sha256")
        return Form(len(keys.salt), keys.iterations)

    assert 120 < sum(form(before, name) == few for name in names) < 290
    assert sum(form(before, name) != form(after, name) for name in names) < 60


BAD_FIRST = [
    b"", b"n", b"n,,", b"x,,n=user,r=c", b"n,,n=user", b"n,,r=c,n=user", b"n,,n=user,r=", b"n,,n=user,r=c c", b"n,,n=us=er,r=c",
    b"n,,n=,r=c", b"n,,m=x,n=user,r=c", b"n,b=x,n=user,r=c", b"n,a=other,n=user,r=c", b"n,,n=us\0er,r=c", b"n,,n=us\xffer,r=c",
    b"n,,n=" + b"u" * 256 + b",r=c", b"n,,n=user,r=" + b"c" * 9000, "n,,n=us\u200eer,r=c".encode(), b"p=,,n=user,r=c",
    b"n,,n=a\nb,r=c",
]  # fmt: skip


@pytest.mark.parametrize("said", BAD_FIRST)
def test_a_first_message_that_is_none(said: bytes) -> None:
    assert [type(step) for step in served("sha256", "s", b"salt", said)] in ([Malformed], [Failed])


GOOD_FIRST = b"n,,n=user,r=c"
BAD_FINAL = [
    b"", b"c=biws,r=cs", b"c=biws,r=cs,p=", b"c=biws,r=cs,p=!", b"c=biws,r=c,p=AAAA", b"c=eSws,r=cs,p=AAAA", b"r=cs,c=biws,p=AAAA",
    b"c=biws,r=cs,p=AAAA", b"c=biws,r=cs,p=" + b64encode(bytes(32)), b"c=biws,r=cs,p=\xff", b"c=biws,r=cs,p=" + b"A" * 9000,
]  # fmt: skip


@pytest.mark.parametrize("said", BAD_FINAL)
def test_a_final_message_that_is_none(said: bytes) -> None:
    assert isinstance(served("sha256", "s", b"salt", GOOD_FIRST, said)[-1], Failed)


BAD_CHALLENGES = [
    b"", b"r=cs", b"r=s,s=AAAA,i=4096", b"r=c,s=AAAA,i=4096", b"r=cs,s=,i=4096", b"r=cs,s=!,i=4096", b"r=cs,s=AAAA,i=0",
    b"r=cs,s=AAAA,i=1", b"r=cs,s=AAAA,i=4095", b"r=cs,s=AAAA,i=2147483648", b"r=cs,s=AAAA,i=-4096", b"r=cs,s=AAAA,i=4_096",
    b"r=cs,s=AAAA,i=" + b"9" * 5000, "r=cs,s=AAAA,i=٤٠٩٦".encode(), b"s=AAAA,r=cs,i=4096", b"m=x,r=cs,s=AAAA,i=4096",
    b"r=cs,s=AAAA,i=250001", b"r=c s,s=AAAA,i=4096", b"\xff\0", b"e=other-error",
]  # fmt: skip


@pytest.mark.parametrize("challenge", BAD_CHALLENGES)
def test_a_challenge_that_is_none_costs_nothing(challenge: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    client = scram.client(Credentials("user", PENCIL), "sha256", "c", Binding())
    next(client)
    monkeypatch.delattr("hashlib.pbkdf2_hmac")
    with pytest.raises(Malformed):
        client.send(challenge)


@pytest.mark.parametrize("last", [b"", b"v=", b"v=AAAA", b"e=invalid-proof", b"v=\xff", b"235"])
def test_a_server_that_does_not_know_the_password_is_not_believed(last: bytes) -> None:
    client = scram.client(Credentials("user", PENCIL), "sha256", "c", Binding())
    next(client)
    client.send(b"r=cs,s=AAAA,i=4096")
    with pytest.raises(Failed):
        client.send(last)


@pytest.mark.parametrize("steps", [0, 1])
def test_a_server_that_lets_us_in_too_soon_is_not_believed(steps: int) -> None:
    client = scram.client(Credentials("user", PENCIL), "sha256", "c", Binding())
    next(client)
    for _ in range(steps):
        client.send(b"r=cs,s=AAAA,i=4096")
    with pytest.raises(Failed):
        check_end(client)


@pytest.mark.parametrize("name", ["a,b", "a=b", "a=2Cb", "=3D", "ünïcode", "ａ"])
def test_a_name_with_signs_of_the_protocol(name: str) -> None:
    server = scram.server("sha1", "s", Binding(), DECOYS)
    next(server)
    assert server.send(next(scram.client(Credentials(name, PENCIL), "sha1", "c", Binding()))) == ScramKeysOf(saslprep(name), "sha1")


@pytest.mark.parametrize(
    ("text", "prepared"),
    [("I\u00adX", "IX"), ("user", "user"), ("USER", "USER"), ("ª", "a"), ("Ⅸ", "IX"), ("a\u00a0b", "a b")],
)
def test_saslprep(text: str, prepared: str) -> None:
    """RFC 4013 §3."""
    assert saslprep(text) == prepared
    assert prepared_password(text.encode()) == prepared.encode()


@pytest.mark.parametrize("text", ["\u0007", "\u0627\u0031", "\ue000", "\ufdd0", "\u200e"])
def test_what_saslprep_prohibits(text: str) -> None:
    with pytest.raises(ValueError):
        saslprep(text)
    assert prepared_password(text.encode()) == text.encode()


def test_what_is_kept_shows_nothing() -> None:
    assert repr(keys("u", b"p", "sha1").pairs) == "(KeyPair(stored_key=Secret(), server_key=Secret()),)"


@given(st.binary(max_size=120))
def test_no_octets_break_it(octets: bytes) -> None:
    login.sasl_server(octets)
    login.sasl_client(octets)
