"""Our own mechanisms over a back end: what the client is asked, and how an exchange ends."""

from base64 import b64decode, b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from tests.support.checker_contract import ATTEMPT
from tests.support.checkers import DECOYS, Users, decoys
from tests.support.drive import drive

from gatepost.auth.mechanisms import OwnMechanisms
from gatepost.auth.port import Ask, LoggedIn, NotLoggedIn, NotNow, Progress
from gatepost.proto.sasl.mechanisms import MECHANISMS, ClientSetting
from gatepost.proto.sasl.port import Credentials, HasShown, IsPassword, PasswordOf, Question, Secret, check_end
from gatepost.proto.sasl.scram_keys import Decoys

USERS = {"alice": b"secret", "bob": "pass wörd".encode()}


def encoded(text: str | bytes) -> str:
    return b64encode(text.encode() if isinstance(text, str) else text).decode()


def sasl(users: Users, *names: str) -> OwnMechanisms:
    own = OwnMechanisms(names or tuple(MECHANISMS), users, lambda: "1.2", decoys)
    drive(own.offered())  # as EHLO and AUTH do
    return own


async def conversed(users: Users, mechanism: str, initial: str | None, *responses: str) -> list[Progress]:
    conversation = sasl(users).converse(structs.replace(ATTEMPT, mechanism=mechanism))
    steps = [await conversation.start(initial)]
    for response in responses:
        steps.append(await conversation.respond(response))
    return steps


def talk(mechanism: str, initial: str | None, *responses: str, users: Users | None = None) -> list[Progress]:
    return drive(conversed(users or Users(USERS), mechanism, initial, *responses))


# --- what they are asked, what they answer ---

RIGHT = LoggedIn("alice")
WRONG = NotLoggedIn("authentication failure", "alice")
BAD_NAME = NotLoggedIn("invalid user name")


@pytest.mark.parametrize(
    ("mechanism", "initial", "responses", "progress"),
    [
        ("PLAIN", encoded("\0alice\0secret"), (), [RIGHT]),
        ("PLAIN", None, (encoded("\0alice\0secret"),), [Ask(""), RIGHT]),
        ("PLAIN", encoded("alice\0alice\0secret"), (), [RIGHT]),
        ("PLAIN", encoded("\0alice\0wrong"), (), [WRONG]),
        ("PLAIN", encoded("\0nobody\0secret"), (), [NotLoggedIn("authentication failure", "nobody")]),
        ("PLAIN", encoded("bob\0alice\0secret"), (), [NotLoggedIn("authorization failure", "alice")]),
        ("PLAIN", encoded("\0alice\0"), (), [WRONG]),
        ("PLAIN", encoded("\0\0secret"), (), [BAD_NAME]),
        ("PLAIN", encoded("\0alice"), (), [NotLoggedIn("malformed PLAIN message")]),
        ("PLAIN", encoded("\0alice\0secret\0"), (), [NotLoggedIn("malformed PLAIN message")]),
        ("PLAIN", "", (), [NotLoggedIn("malformed PLAIN message")]),
        ("PLAIN", "!!!!", (), [NotLoggedIn("Invalid base64 data in initial response")]),
        ("PLAIN", "AGFsaWNlAHNlY3JldA", (), [NotLoggedIn("Invalid base64 data in initial response")]),
        ("PLAIN", None, ("!!!!",), [Ask(""), NotLoggedIn("Invalid base64 data in continued response")]),
        ("LOGIN", None, (encoded("alice"), encoded("secret")), [Ask(encoded("Username:")), Ask(encoded("Password:")), RIGHT]),
        ("LOGIN", encoded("alice"), (encoded("secret"),), [Ask(encoded("Password:")), RIGHT]),
        ("LOGIN", encoded("bob"), (encoded("pass wörd"),), [Ask(encoded("Password:")), LoggedIn("bob")]),
        ("LOGIN", encoded("alice"), (encoded("wrong"),), [Ask(encoded("Password:")), WRONG]),
        ("LOGIN", encoded("alice\0bob"), (), [BAD_NAME]),
        ("LOGIN", encoded("alice"), (encoded("sec\0ret"),), [Ask(encoded("Password:")), NotLoggedIn("malformed LOGIN password")]),
        ("CRAM-MD5", encoded("alice"), (), [NotLoggedIn("Unexpected initial response")]),
        ("CRAM-MD5", "", (), [NotLoggedIn("Unexpected initial response")]),
        (
            "CRAM-MD5",
            None,
            (encoded("alice"),),
            [Ask(encoded("<1.2@mail.example.test>")), NotLoggedIn("malformed CRAM-MD5 response")],
        ),
        ("CRAM-MD5", None, (encoded("alice 00"),), [Ask(encoded("<1.2@mail.example.test>")), WRONG]),
        ("CRAM-MD5", None, (encoded(b"alice \xff"),), [Ask(encoded("<1.2@mail.example.test>")), WRONG]),
    ],
)
def test_an_exchange(mechanism: str, initial: str | None, responses: tuple[str, ...], progress: list[Progress]) -> None:
    assert talk(mechanism, initial, *responses) == progress


@pytest.mark.parametrize(
    "name", ["ali\rce", "alice\n", "a\tb", "\x7f", "a\x85", "a\u2028b", "x" * 256, b"\xff", b"\xed\xa0\x80", "a\u202eb"]
)
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_a_name_that_no_user_has_never_comes_to_the_back_end(mechanism: str, name: str | bytes) -> None:
    users, octets = Users(USERS), name if isinstance(name, bytes) else name.encode()
    message = {"PLAIN": b"\0" + octets + b"\0secret", "LOGIN": octets, "CRAM-MD5": octets + b" 00"}[mechanism]
    assert talk(mechanism, None, encoded(message), users=users)[-1] == BAD_NAME
    assert not users.asked


BINDINGS = {"tls-exporter": bytes(32)}


@pytest.mark.parametrize("mechanism", [name for name, one in MECHANISMS.items() if one.client is not None])
@pytest.mark.parametrize("user", USERS)
def test_our_client_logs_in_at_our_server(mechanism: str, user: str) -> None:
    if mechanism in ("OAUTHBEARER", "XOAUTH2"):
        user = "alice"  # whose password has no blanks, as a token
    make = MECHANISMS[mechanism].client
    assert make is not None
    client = make(Credentials(user, Secret(USERS[user])), ClientSetting("3.4", "mail.example.test", 25, BINDINGS, True))
    bound = {"bindings": BINDINGS, "offers_bound": mechanism.endswith("-PLUS")}
    conversation = sasl(Users(USERS)).converse(structs.replace(ATTEMPT, mechanism=mechanism, **bound))
    first = next(client)
    progress = drive(conversation.start(encoded(first) if first else None))
    while isinstance(progress, Ask):
        progress = drive(conversation.respond(encoded(client.send(b64decode(progress.challenge)))))
    assert progress == LoggedIn(user)
    check_end(client)


def test_a_certificate() -> None:
    async def said(certified: str, initial: str) -> Progress:
        attempt = structs.replace(ATTEMPT, mechanism="EXTERNAL", certified=certified)
        return await sasl(Users(USERS)).converse(attempt).start(initial)

    assert drive(said("alice", "=")) == LoggedIn("alice")
    assert drive(said("alice", encoded("alice"))) == LoggedIn("alice")
    assert drive(said("alice", encoded("bob"))) == NotLoggedIn("authorization failure", "alice")
    assert drive(said("", "=")) == NotLoggedIn("no client certificate that is trusted")
    assert drive(said("al\x00ice", "=")) == BAD_NAME


# --- the back end ---


class PasswordsOnly(Users):
    answers: frozenset[type[Question]] = frozenset({IsPassword})


def test_what_the_back_end_cannot_answer_is_not_offered() -> None:
    def names(users: Users, *names: str) -> list[str]:
        return [offered.name for offered in drive(sasl(users, *names).offered())]

    assert names(Users({})) == list(MECHANISMS)
    assert names(Users({}), "LOGIN", "CRAM-MD5") == ["LOGIN", "CRAM-MD5"]
    assert names(PasswordsOnly({})) == ["PLAIN", "LOGIN", "EXTERNAL"]


def test_scram_is_offered_while_all_passwords_have_keys() -> None:
    kept = dict[str, Decoys]()

    async def now() -> dict[str, Decoys]:
        return dict(kept)

    own = OwnMechanisms(("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-1"), Users(USERS), lambda: "1", now)

    def names() -> list[str]:
        return [offered.name for offered in drive(own.offered())]

    assert names() == ["PLAIN"]
    kept["sha256"] = DECOYS
    assert names() == ["PLAIN", "SCRAM-SHA-256"]
    kept["sha1"] = kept.pop("sha256")
    assert names() == ["PLAIN", "SCRAM-SHA-1"]


def test_nobody_can_say() -> None:
    assert talk("PLAIN", encoded("\0alice\0secret"), users=Users(USERS, away=True)) == [NotNow("nobody there", user="alice")]


@given(st.sampled_from(list(MECHANISMS)), st.lists(st.binary(max_size=60) | st.just(b"alice"), min_size=1, max_size=4))
def test_whatever_is_said_it_ends_as_it_should(mechanism: str, said: list[bytes]) -> None:
    conversation = sasl(Users(USERS)).converse(structs.replace(ATTEMPT, mechanism=mechanism))
    progress = drive(conversation.start(None))
    for octets in said:
        if not isinstance(progress, Ask):
            break
        progress = drive(conversation.respond(encoded(octets)))
    assert isinstance(progress, Ask | NotLoggedIn)
    conversation.close()


@pytest.mark.parametrize("user", ["alice", "nobody"])
def test_cram_md5_asks_the_same_whether_there_is_such_a_user(user: str) -> None:
    users = Users(USERS)
    talk("CRAM-MD5", None, encoded(f"{user} {'0' * 32}"), users=users)
    assert [question for question, _ in users.asked] == [PasswordOf(user), HasShown(user, right=False)]
