"""Milters beside Postfix: the same scripted filter and dialogue at both, and the same replies, log lines and messages."""

import difflib
import re
import socket
from collections.abc import Iterator, Mapping

import pytest
from msgspec import Struct

from tests.integration.milters_beside import Place, delivered, gatepost_with, logged, plain, postfix_with
from tests.support import milters
from tests.support.free_ports import free_ports
from tests.support.milters import (
    ACCEPT,
    CONTINUE,
    DISCARD,
    PROGRESS,
    REJECT,
    SHUTDOWN,
    SKIP,
    TEMPFAIL,
    ScriptedFilter,
    add,
    body,
    change,
    insert,
    no_recipient,
    quarantine,
    recipient,
    reply,
    sender,
)  # fmt: skip

HELLO = "EHLO client.example.com"
MAIL = "MAIL FROM:<a@example.com> SIZE=100"
RCPT = "RCPT TO:<b@example.net>"
MESSAGE = (
    "X-A: 1\r\nSubject:  two blanks\r\n\tand a tab\r\nX-Tab:\tx\r\nReceived: from x by y; z\r\nX-A: 2\r\n\r\nbody\r\n..dot\r\n."
)
TALK = (HELLO, MAIL, RCPT, "DATA", MESSAGE)


class Case(Struct, frozen=True):
    """A filter, how it is asked, and what a client says. `options`: of the line in master.cf."""

    answers: Mapping[str, bytes | None] = {}
    talk: tuple[str, ...] = TALK
    options: tuple[str, ...] = ()
    steps: int = 0
    negotiation: bytes | None = None


_CHOOSES = b"\0\0\0\6\0\0\1\xff" + bytes(4) + b"\0\0\0\3{rcpt_addr} i\0" + b"\0\0\0\0j\0" + b"\0\0\0\5j {x}\0"
_CHECKS = "milter_header_checks=regexp:{{/^X-Good:/ REPLACE X-Better: 3}{/^X-Gone:/ IGNORE}{/^X-Other:/ WARN odd}}"

CASES: dict[str, Case] = {
    "nothing": Case(),
    "all silent": Case(steps=sum(milters.SILENT.values())),
    "leading space": Case({"E": add(b"X-B", b"1") + add(b"X-C", b" 2") + insert(1, b"X-D", b"3") + CONTINUE}, steps=0x100000),
    "headers": Case({"E": add(b"X-B", b"1\n\tmore") + add(b"X-C", b" 2") + change(2, b"X-A", b"changed")
                     + change(1, b"Subject", b"") + change(7, b"X-A", b"none of it") + change(0, b"X-Tab", b"first") + CONTINUE}),
    "positions": Case({"E": insert(0, b"X-0", b"0") + insert(1, b"X-1", b"1") + insert(4, b"X-4", b"4") + insert(99, b"X-99", b"99")
                       + ACCEPT}),
    "position one": Case({"E": insert(1, b"X-1", b"1") + ACCEPT}),
    "own received": Case({"E": change(2, b"Received", b"from here") + ACCEPT}),
    "body": Case({"E": body(b"another\nbody\r\n") + body(b"in two pieces\r\n.\r\n") + CONTINUE}),
    "recipients": Case({"E": recipient(b"<c@example.net>") + recipient(b"d@example.net") + no_recipient(b"<b@example.net>")
                        + recipient(b"<e@example.net>", b"NOTIFY=NEVER") + CONTINUE}),
    "sender": Case({"E": sender(b"<z@example.org>") + CONTINUE}),
    "null sender": Case({"E": sender(b"<>") + CONTINUE}),
    "sender with parameters": Case({"E": sender(b"<z@example.org>", b"RET=HDRS ENVID=one") + CONTINUE}),
    "quarantine": Case({"E": quarantine(b"looks odd") + CONTINUE}),
    "progress": Case({"E": PROGRESS * 3 + CONTINUE}),
    "percent": Case({"R": reply("550 5.7.1 100%% sure")}),
    "many lines": Case({"R": reply("554-5.7.1 first\r\n554-5.7.1 second\r\n554 5.7.1 third")}),
    "no status": Case({"R": reply("554 just no")}),
    "reply 421": Case({"R": reply("421 4.7.1 go away")}),
    "malformed reply": Case({"R": reply("250 2.0.0 fine")}),
    "rejected recipients": Case(talk=(HELLO, MAIL, "RCPT TO:<x@elsewhere.example>", RCPT), steps=0x800),
    "rejected recipients unwanted": Case(talk=(HELLO, MAIL, "RCPT TO:<x@elsewhere.example>", RCPT)),
    "one recipient": Case({"R:bad": REJECT}, talk=(HELLO, MAIL, "RCPT TO:<bad@example.net>", RCPT, "DATA", MESSAGE)),
    "reset": Case(talk=(HELLO, MAIL, "RSET", "VRFY b@example.net", "NOOP", *TALK)),
    "no helo": Case(talk=TALK[1:]),
    "helo twice": Case(talk=("HELO one.example", "EHLO two.example", *TALK[1:])),
    "default accept": Case(negotiation=b"garbage that is no packet", options=("milter_default_action=accept",)),
    "bad version": Case(negotiation=milters.say("O", b"\0\0\0\7" + bytes(8))),
    "protocol 2": Case(negotiation=milters.say("O", b"\0\0\0\2\0\0\0\x3f" + bytes(4)), options=("milter_protocol=2",)),
    "macros of its own": Case(
        negotiation=milters.say("O", _CHOOSES),
        options=("milter_macro_defaults=x=default", "milter_end_of_header_macros=j", "milter_end_of_data_macros=v"),
    ),
    "macro lists": Case(options=(
        "milter_connect_macros={client_addr},{client_name},{client_ptr},{client_resolve},{x},y",
        "milter_macro_defaults=x=1,{y}=2", "milter_macro_daemon_name=gate", "milter_helo_macros={daemon_name}",
        "milter_end_of_header_macros=j", "milter_end_of_data_macros=v", "milter_unknown_command_macros=j",
    )),
    "header checks": Case({"E": add(b"X-Bad", b"1") + add(b"X-Good", b"2") + add(b"X-Gone", b"3") + add(b"X-Other", b"4")
                           + CONTINUE}, options=(_CHECKS,)),
    "header check refuses": Case({"E": add(b"X-Bad", b"1") + CONTINUE},
                                 options=("milter_header_checks=regexp:{{/^X-Bad:/ REJECT no such header}}",)),
}  # fmt: skip

for _letter, _name in {
    "C": "connect",
    "H": "helo",
    "M": "mail",
    "R": "rcpt",
    "T": "data",
    "L": "header",
    "N": "eoh",
    "B": "body",
    "E": "eom",
    "U": "unknown",
}.items():
    _talk = (HELLO, "FOO", *TALK[1:]) if _letter == "U" else TALK
    for _what, _answer in {"accept": ACCEPT, "reject": REJECT, "tempfail": TEMPFAIL, "reply": reply("559 5.7.9 not that"),
                           "discard": DISCARD, "shutdown": SHUTDOWN, "skip": SKIP, "unasked": milters.say("?"),
                           "gone": b""}.items():  # fmt: skip
        if _letter == "U" and _what in ("accept", "discard"):
            continue  # after which Postfix 3.7 panics at MAIL
        _again = () if _what in ("unasked", "gone") else TALK[1:2]  # where Postfix is in the dark for the rest of the session
        CASES[f"{_name} {_what}"] = Case({_letter: _answer}, talk=(*_talk, *_again))


SAFER = {f"{step} shutdown": "421 4.7.0" for step in ("header", "eoh", "body", "eom")} | {"malformed reply": "451 4.7.1"}


def _lines(filters: Mapping[str, ScriptedFilter], ports: Mapping[str, int]) -> str:
    text = ""
    for name, case in CASES.items():
        options = [f"smtpd_milters={filters[name].name}", *case.options]
        text += f"127.0.0.1:{ports[name]} inet n - n - - smtpd\n" + "".join(f"  -o {{ {one} }}\n" for one in options)
        if any("header_checks" in one for one in case.options):
            cleanup = name.replace(" ", "-")
            text += f"  -o cleanup_service_name={cleanup}\n{cleanup} unix n - n - 0 cleanup\n  -o {{ {case.options[0]} }}\n"
    return text


_FILTERS = tuple[dict[str, ScriptedFilter], dict[str, ScriptedFilter]]
_MAIN = "smtpd_relay_restrictions = reject_unauth_destination\nsmtpd_peername_lookup = no\nsmtpd_error_sleep_time = 0\n"


@pytest.fixture(scope="module")
def filters() -> Iterator[_FILTERS]:
    both = tuple(
        {name: ScriptedFilter(case.answers, steps=case.steps, negotiation=case.negotiation) for name, case in CASES.items()}
        for _ in range(2)
    )
    yield both[0], both[1]
    for one in both:
        for each in one.values():
            each.stop()


@pytest.fixture(scope="module")
def postfix(filters: _FILTERS) -> Iterator[Place]:
    ports = dict(zip(CASES, free_ports(len(CASES)), strict=True))
    with postfix_with(_MAIN, _lines(filters[0], ports), ports) as place:
        yield place


@pytest.fixture(scope="module")
def gatepost(filters: _FILTERS) -> Iterator[Place]:
    ports = dict(zip(CASES, free_ports(len(CASES)), strict=True))
    with gatepost_with(_MAIN, _lines(filters[1], ports), ports) as place:
        yield place


def spoken(port: int, talk: tuple[str, ...]) -> list[str]:
    """The replies, the greeting first; `end` where the server has hung up."""
    said: list[str] = []
    with socket.create_connection(("127.0.0.1", port), 60) as connection:
        file = connection.makefile("rb")
        for line in (None, *talk, "QUIT"):
            try:
                if line is not None:
                    if line.endswith("\r\n.") and not said[-1].startswith("354"):
                        continue
                    connection.sendall(line.encode() + b"\r\n")
                lines = []
                while (got := file.readline().decode()) and got[3:4] == "-":
                    lines.append(got)
            except OSError:
                got = ""
            if not got:
                return [*said, "end"]
            if not (line or "").startswith("EHLO"):  # not what it offers
                lines.append(got)
                said.append("".join(lines))
    return said


def heard(one: ScriptedFilter) -> list[tuple[str, str]]:
    """What a filter was told, less the port of the client and how often a message was given up."""
    told = [
        (letter, re.sub(rb"\0004..", b"\0004", data, flags=re.DOTALL) if letter == "C" else data)
        for letter, data in one.told(_STEPS)
    ]
    return [f"{letter} {plain(data.decode(errors='replace'))!r}" for letter, data in told]


_STEPS = "DCHMRTULNBE"


def seen(place: Place, filter: ScriptedFilter, name: str) -> dict[str, list[str]]:
    """All that a case does to one of the two."""
    talk = tuple(f"X-Case: {name}\r\n{line}" if line is MESSAGE else line for line in CASES[name].talk)
    before = len(place.log())
    replies = spoken(place.ports[name], talk)
    log = place.settled(before, replies)
    mail = delivered(place, name)
    return {"replies": [plain(one) for one in replies], "heard": heard(filter), "mail": mail, "log": logged(log)}


@pytest.mark.parametrize("name", [name for name in CASES if name not in SAFER])
def test_as_postfix(filters: _FILTERS, postfix: Place, gatepost: Place, name: str) -> None:
    theirs, ours = seen(postfix, filters[0][name], name), seen(gatepost, filters[1][name], name)
    for part in theirs:
        here, there = ("\n".join(one[part]).splitlines() for one in (ours, theirs))
        assert here == there, f"{part}\n" + "\n".join(difflib.unified_diff(there, here, "Postfix", "Gatepost", n=1, lineterm=""))


@pytest.mark.parametrize("name", SAFER)
def test_safer_than_postfix(filters: _FILTERS, gatepost: Place, name: str) -> None:
    """docs/differences.md: where Postfix takes the message, or says something else of a broken filter."""
    ours = seen(gatepost, filters[1][name], name)
    assert [line for line in ours["replies"] if line.startswith(SAFER[name])]
    assert not ours["mail"]
