"""AUTH in a session: the order of things, what the log says, and what a client may not do (RFC 4954; observed with Postfix 3.7)."""

import asyncio
from base64 import b64encode
from collections.abc import Awaitable, Callable

import pytest
from tests.support.checkers import Users
from tests.support.settings import default
from tests.unit.receive.dialogue import Client, Stage_, stage

from gatepost.auth.mechanisms import OwnMechanisms
from gatepost.auth.offer import ServerSasl
from gatepost.auth.settings import SaslSettings
from gatepost.receive.port import Lookups

CLIENT = "client2.client.test[127.0.0.2]"


async def every(mechanism: str) -> bool:
    return True


def encoded(text: str) -> str:
    return b64encode(text.encode()).decode()


RIGHT = f"AUTH PLAIN {encoded(chr(0) + 'alice' + chr(0) + 'secret')}"
WRONG = f"AUTH PLAIN {encoded(chr(0) + 'alice' + chr(0) + 'wrong')}"
OK, NO = "235 2.7.0 Authentication successful", "535 5.7.8 Error: authentication failed: authentication failure"


def scene_of(
    users: Users | None = None,
    announces: Callable[[str], Awaitable[bool]] = every,
    lookups: Lookups | None = None,
    sasl: dict[str, str] | None = None,
    **parameters: str,
) -> Stage_:
    own = OwnMechanisms(("PLAIN", "LOGIN", "CRAM-MD5"), users or Users({"alice": b"secret"}), lambda: "1.2")
    return stage(parameters, lookups, sasl=ServerSasl(default(SaslSettings, **sasl or {}), own, announces))


def talk(scene: Stage_, *lines: str | bytes) -> list[str]:
    async def talked() -> list[str]:
        client = Client(scene.service)
        await client.settle()
        said = []
        for line in lines:
            said += await client.say(line.encode() + b"\r\n" if isinstance(line, str) else line)
        await client.close()
        return said

    return asyncio.run(talked())


def failed(reason: str, user: str = "(unavailable)", method: str = "PLAIN") -> str:
    return f"warning: {CLIENT}: SASL {method} authentication failed: {reason}, sasl_username={user}"


@pytest.mark.parametrize(
    ("lines", "replies"),
    [
        ([RIGHT], [OK]),
        ([RIGHT, RIGHT], [OK, "503 5.5.1 Error: already authenticated"]),
        ([WRONG, RIGHT], [NO, OK]),
        (["AUTH"], ["501 5.5.4 Syntax: AUTH mechanism"]),
        (["AUTH PLAIN a b"], ["501 5.5.4 Syntax: AUTH mechanism"]),
        (["AUTH FOO"], ["535 5.7.8 Error: authentication failed: Invalid authentication mechanism"]),
        (["AUTH PLAIN", "*"], ["334 ", "501 5.7.0 Authentication aborted"]),
        (["AUTH PLAIN", RIGHT.split()[2]], ["334 ", OK]),
        (["AUTH LOGIN", "YWxpY2U=", "c2VjcmV0"], ["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", OK]),
        (["AUTH login YWxpY2U=", "c2VjcmV0"], ["334 UGFzc3dvcmQ6", OK]),
        (["MAIL FROM:<a@client.test>", RIGHT], ["250 2.1.0 Ok", "503 5.5.1 Error: MAIL transaction in progress"]),
        (
            ["AUTH LOGIN", "QUIT", "NOOP"],
            ["334 VXNlcm5hbWU6", "535 5.7.8 Error: authentication failed: invalid user name", "250 2.0.0 Ok"],
        ),
    ],
)
def test_a_dialogue(lines: list[str], replies: list[str]) -> None:
    assert talk(scene_of(), *lines) == replies


def test_a_response_may_be_longer_than_a_command() -> None:
    long = encoded("\0alice\0" + "x" * 9000)
    scene = scene_of()
    assert talk(scene, "AUTH PLAIN", long, "AUTH PLAIN", "A" * 12300, "NOOP", "N" * 3000) == [
        "334 ", NO, "334 ", "500 5.5.6 SASL response limit exceeded", "250 2.0.0 Ok", "500 5.5.2 Error: command not recognized",
    ]  # fmt: skip
    assert f"warning: {CLIENT}: request longer than 12288: ********..." in scene.log


def test_what_comes_in_one_piece_with_auth_is_the_response_and_the_next_command() -> None:
    assert talk(scene_of(), b"AUTH PLAIN\r\n" + RIGHT.split()[2].encode() + b"\r\nNOOP\r\n") == ["334 ", OK, "250 2.0.0 Ok"]
    assert talk(scene_of(), b"AUTH PLAIN\r\n*\r\nNOOP\r\n") == ["334 ", "501 5.7.0 Authentication aborted", "250 2.0.0 Ok"]


def test_the_log_and_the_message_know_who_it_was() -> None:
    scene = scene_of(smtpd_sasl_authenticated_header="yes")
    talk(scene, "EHLO x", "AUTH plain " + RIGHT.split()[2], "MAIL FROM:<a@client.test> AUTH=joe", "RCPT TO:<alice@example.test>",
         "DATA", "x\r\n.")  # fmt: skip
    assert f"QID: client={CLIENT}, sasl_method=plain, sasl_username=alice, sasl_sender=joe" in scene.log
    (message,) = scene.messages
    assert b"\r\n\t(Authenticated sender: alice)\r\n\tby mail.example.test (Postfix) with ESMTPA id " in message.content.read()
    assert dict(message.envelope.attributes)["sasl_username"] == "alice"


def test_what_the_log_says_of_a_failure() -> None:
    scene = scene_of()
    talk(scene, WRONG, "AUTH PLAIN !", "AUTH PLAIN", "*", "AUTH A\x01B", "AUTH PLAIN " + encoded("\0x\ny\0z"))
    assert scene.log[1:-2] == [
        failed("authentication failure", "alice"), failed("Invalid base64 data in initial response"),
        f"warning: {CLIENT}: SASL PLAIN authentication aborted", failed("Invalid authentication mechanism", method="********"),
        failed("invalid user name"),
    ]  # fmt: skip


def test_nobody_can_say() -> None:
    scene = scene_of(Users({}, away=True))
    assert talk(scene, RIGHT, "NOOP") == ["454 4.7.0 Temporary authentication failure: generic failure", "250 2.0.0 Ok"]
    assert failed("nobody there", "alice") in scene.log


# --- what EHLO offers ---


async def in_capitals_p(mechanism: str) -> bool:
    return mechanism.startswith("P")


async def all_clients(name: str, address: str) -> bool:
    return True


def offers(scene: Stage_) -> list[str]:
    return [line[4:] for line in talk(scene, "EHLO x") if line[4:8] == "AUTH"]


def test_the_offer() -> None:
    assert offers(scene_of()) == ["AUTH PLAIN LOGIN CRAM-MD5"]
    assert offers(scene_of(broken_sasl_auth_clients="yes")) == ["AUTH PLAIN LOGIN CRAM-MD5", "AUTH=PLAIN LOGIN CRAM-MD5"]
    assert offers(scene_of(announces=in_capitals_p)) == ["AUTH PLAIN"]
    assert offers(scene_of(sasl={"smtpd_sasl_security_options": "noplaintext"})) == ["AUTH CRAM-MD5"]
    assert offers(scene_of(sasl={"smtpd_sasl_security_options": "mutual_auth"})) == []
    assert offers(scene_of(lookups=Lookups(sasl_exceptions=all_clients))) == []
    assert offers(scene_of(smtpd_tls_auth_only="yes")) == []
    assert offers(scene_of(smtpd_discard_ehlo_keywords="auth")) == []
    assert offers(stage()) == []


@pytest.mark.parametrize(
    ("scene", "reply"),
    [
        (scene_of(smtpd_tls_auth_only="yes"), "503 5.5.1 Error: authentication not enabled"),
        (stage(), "503 5.5.1 Error: authentication not enabled"),
        (scene_of(smtpd_helo_required="yes"), "503 5.5.1 Error: send HELO/EHLO first"),
        (scene_of(sasl={"smtpd_sasl_security_options": "noplaintext"}),
         "535 5.7.8 Error: authentication failed: Invalid authentication mechanism"),
        (scene_of(lookups=Lookups(sasl_exceptions=all_clients)), OK),
        (scene_of(announces=in_capitals_p), OK),
    ],
)  # fmt: skip
def test_who_may_not_and_who_may_though_nobody_told_him(scene: Stage_, reply: str) -> None:
    assert talk(scene, RIGHT) == [reply]


def test_auth_commands_are_counted() -> None:
    scene = scene_of(smtpd_client_auth_rate_limit="1")
    assert talk(scene, WRONG, RIGHT) == [NO, "450 4.7.1 Error: too many AUTH commands from 127.0.0.2"]
    assert f"warning: AUTH command rate limit exceeded: 2 from {CLIENT} for service 2525" in scene.log


def test_xclient_makes_somebody_else_of_the_session() -> None:
    scene = scene_of(lookups=Lookups(xclient_hosts=all_clients))
    assert talk(scene, RIGHT, "XCLIENT ADDR=192.0.2.9", RIGHT)[-1] == OK
    assert talk(scene, "XCLIENT LOGIN=bob", RIGHT)[-1] == "503 5.5.1 Error: already authenticated"


def test_an_exchange_ends_with_its_session() -> None:
    closed: list[str] = []

    class Conversation:
        async def start(self, initial: str | None) -> object:
            from gatepost.auth.port import Ask

            return Ask("")

        async def respond(self, response: str) -> object:
            raise AssertionError

        def close(self) -> None:
            closed.append("closed")

    scene = scene_of()
    assert scene.service.ports.sasl is not None
    scene.service.ports.sasl.converse = lambda attempt: Conversation()  # type: ignore[method-assign, assignment, return-value]
    talk(scene, "AUTH PLAIN")
    assert closed == ["closed"]
