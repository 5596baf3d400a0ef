"""No log and no transcript shows a password, wherever a client's line is written down."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from tests.unit.receive.dialogue import Client, Stage_, stage

from gatepost.mail.ascii_text import SPACE
from gatepost.proto.smtp.commands import SMTP
from gatepost.receive.port import Lookups
from gatepost.receive.secrets import MASKED, Secrets

SECRET = "c2VjcmV0"


def after(*lines: str) -> Secrets:
    secrets = Secrets(SMTP)
    for line in lines:
        secrets.heard(SMTP.verbs.get(line.partition(" ")[0]))
    return secrets


@pytest.mark.parametrize(
    ("before", "line", "shown"),
    [
        ((), "AUTH PLAIN c2VjcmV0", f"AUTH PLAIN {MASKED}"),
        ((), "auth\tplain \t c2VjcmV0 c2VjcmV0", f"auth plain {MASKED}"),
        ((), "AUTH PLAIN", "AUTH PLAIN"),
        ((), "AUTH PLAIN=c2VjcmV0", f"AUTH {MASKED}"),  # not a mechanism's name
        ((), "AUTH c2VjcmV0", f"AUTH {MASKED}"),
        ((), "AUTH c2VjcmV0 c2VjcmV0", f"AUTH {MASKED}"),
        ((), "AUTH", "AUTH"),
        ((), "AUTH Login c2VjcmV0", f"AUTH Login {MASKED}"),
        ((), "AUTH scram-sha-256-plus", "AUTH scram-sha-256-plus"),
        ((), "MAIL FROM:<a@b>", "MAIL FROM:<a@b>"),
        ((), "c2VjcmV0", "c2VjcmV0"),  # nobody has asked, and nobody has tried
        (("AUTH",), "c2VjcmV0", MASKED),
        (("AUTH",), "MAIL FROM:<a@b>", "MAIL FROM:<a@b>"),
        (("AUTH", "XX", "c2VjcmV0"), "c2VjcmV0", MASKED),  # a name and a password, though AUTH was refused
        (("AUTH", "NOOP"), "c2VjcmV0", "c2VjcmV0"),
    ],
)
def test_what_others_may_read(before: tuple[str, ...], line: str, shown: str) -> None:
    assert after(*before).shown(line) == shown


_BLANKS = st.text(SPACE, min_size=1, max_size=3)


@given(st.sampled_from(["AUTH", "auth", "AuTh"]), _BLANKS, _BLANKS, st.text(SPACE, max_size=2))
def test_blanks_hide_nothing_from_us(verb: str, first: str, second: str, before: str) -> None:
    assert SECRET not in Secrets(SMTP).shown(f"{before}{verb}{first}PLAIN{second}{SECRET}")


def test_lines_still_to_come_are_masked_each_after_those_before() -> None:
    ahead = "AUTH LOGIN\r\ndXNlcg==\r\nc2VjcmV0\r\nMAIL FROM:<a@b>\r\nAUTH PLAIN c2Vj"
    masked = f"AUTH LOGIN\r\n{MASKED}\r\n{MASKED}\r\nMAIL FROM:<a@b>\r\nAUTH PLAIN {MASKED}"
    assert after().all_shown(ahead) == masked
    assert after("AUTH").all_shown("c2VjcmV0\r\nQUIT\r\n") == f"{MASKED}\r\nQUIT\r\n"


# --- through a session ---


async def _get(word: str) -> bool:
    return word == "GET"


async def _is_auth(word: str) -> bool:
    return word == "AUTH"


async def swaps(line: str) -> str | None:
    return line.replace("PLAIN", "LOGIN") if "PLAIN" in line else None


TALKS: dict[str, tuple[bytes, dict[str, Any]]] = {
    "a filter replaces the command": (b"AUTH PLAIN c2VjcmV0\r\n", {"lookups": Lookups(command_filter=swaps)}),
    "the line is too long": (b"AUTH PLAIN c2VjcmV0" + b"x" * 5000 + b"\r\n", {}),
    "it comes before it may": (b"EHLO x\r\nAUTH PLAIN c2VjcmV0\r\n", {}),
    "the response comes before it is asked for": (b"HELO x\r\nAUTH LOGIN\r\ndXNlcg==\r\nc2VjcmV0\r\n", {}),
    "the response looks like no SMTP": (b"AUTH LOGIN\r\nGET c2VjcmV0\r\n", {}),
    "the command is no UTF-8, and its response comes all the same": (b"AUTH LOGIN \xff\r\nc2VjcmV0\r\n", {}),
    "the command is one that does nothing here": (
        b"AUTH LOGIN\r\nGET c2VjcmV0\r\n",
        {"lookups": Lookups(noop=_is_auth, forbidden=_get)},
    ),
    "the client is turned away": (b"AUTH PLAIN c2VjcmV0\r\n" * 30, {}),
}


@pytest.mark.parametrize("talk", TALKS)
def test_nothing_that_is_written_down_has_it(talk: str) -> None:
    data, more = TALKS[talk]
    told: list[str] = []
    lookups = more.get("lookups") or Lookups(forbidden=_get)
    lookups = _reporting(lookups, told)
    scene: Stage_ = stage({"notify_classes": "policy, protocol, software", "line_length_limit": 2048}, lookups)

    async def converse() -> None:
        client = Client(scene.service)
        await client.settle()
        await client.say(data)
        await client.close()

    asyncio.run(converse())
    written = "\n".join([*scene.log, *told])
    assert SECRET not in written
    assert "dXNlcg" not in written
    assert MASKED in written


def _reporting(lookups: Lookups, told: list[str]) -> Lookups:
    return structs.replace(lookups, report=lambda subject, text: told.append(text))
