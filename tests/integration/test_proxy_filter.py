"""The before-queue filter (`smtpd_proxy_filter`): what clients, filters and the log are told is what Postfix tells them.

Each case is a filter that follows a script (tests/support/scripted.py), and what a client says to an smtpd before it. Debian's
Postfix and Gatepost have a service for each.
"""

import contextlib
import re
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping

import pytest
from msgspec import Struct

from tests.integration.postfix import Postfix
from tests.support.free_ports import free_ports
from tests.support.postfix import QUEUE_ID
from tests.support.running import MASTER, Client, System, wait_for
from tests.support.scripted import Script, ScriptedServer

_HELLO = ("EHLO client.example",)
_FROM, _TO, _AND = "MAIL FROM:<a@example.com>", "RCPT TO:<b@example.net>", "RCPT TO:<c@example.net>"
_TEXT = "Subject: x\r\n\r\n.. dots\r\nbody\r\n."
_MAIL = (*_HELLO, _FROM, _TO, "DATA", _TEXT)
_TWO = (*_HELLO, _FROM, _TO, _AND, "DATA", _TEXT)
_XFORWARD = "EHLO: 250-filter.example\nEHLO: 250-XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE\nEHLO: 250 8BITMIME"
_LONE_DOT = "."
_COMMAND_LINES = ("DATA", "data", "RSET", "QUIT")
_LONGEST = 1500  # characters of a log line that Postfix does not cut off yet
_SLOWLY = "speed_adjust: "
_SPEED = "smtpd_proxy_options=speed_adjust"


class Case(Struct, frozen=True):
    """`filter`: a script, `none` where nobody listens; `says`: the client's lines; `options`: of the service."""

    filter: str = ""
    says: tuple[str | bytes, ...] = _MAIL
    options: tuple[str, ...] = ()


_ANSWERS = {
    "well": Case(),
    "nobody listens": Case("none"),
    "two recipients": Case(says=_TWO),
    "multi-line 250": Case("DOT: 250-2.0.0 first\nDOT: 250 2.0.0 second"),
    "multi-line 550": Case("DOT: 550-5.7.1 first\nDOT: 550 5.7.1 second"),
    "refused for good": Case("DOT: 550 5.7.1 spam"),
    "refused for now": Case("DOT: 451 4.7.1 later"),
    "421 at the end": Case("DOT: 421 4.7.1 leaving"),
    "421 at RCPT": Case("RCPT: 421 4.7.1 leaving"),
    "354 at the end": Case("DOT: 354 more"),
    "999 at the end": Case("DOT: 999 more"),
    "000 at the end": Case("DOT: 000 more"),
    "closes at the end": Case("DOT: <close>"),
    "half an answer": Case("DOT: 250 2.0\\\nDOT: <close>"),
    "garbage, then 250": Case("DOT: garbage\nDOT: 250 2.0.0 ok"),
    "no enhanced code": Case("DOT: 250 ok"),
    "code alone": Case("DOT: 250"),
    "control characters": Case("DOT: 550 5.7.1 a\\x01b\\xffc"),
    "greeting 554": Case("GREETING: 554 no"),
    "greeting 421": Case("GREETING: 421 no"),
    "greeting closes": Case("GREETING: <close>"),
    "EHLO refused": Case("EHLO: 502 no"),
    "EHLO closes": Case("EHLO: <close>"),
    "MAIL refused": Case("MAIL: 550 5.7.1 no"),
    "MAIL refused for now": Case("MAIL: 450 4.7.1 no"),
    "MAIL 354": Case("MAIL: 354 what"),
    "MAIL closes": Case("MAIL: <close>"),
    "RCPT refused": Case("RCPT: 550 5.7.1 no"),
    "first RCPT refused": Case("RCPT 1: 550 5.7.1 no", _TWO),
    "second RCPT refused": Case("RCPT 2: 450 4.7.1 no", _TWO),
    "RCPT 354": Case("RCPT: 354 what"),
    "RCPT closes": Case("RCPT: <close>", _TWO),
    "second RCPT closes": Case("RCPT 2: <close>", _TWO),
    "DATA refused": Case("DATA: 554 5.5.1 no"),
    "DATA 250": Case("DATA: 250 what"),
    "DATA closes": Case("DATA: <close>"),
    "long reply": Case("DOT: 550 5.7.1 " + "x" * 1500),
    "silent at greeting": Case("GREETING: <silence>", options=("smtpd_proxy_timeout=2s",)),
    "silent at the end": Case("DOT: <silence>", options=("smtpd_proxy_timeout=2s",)),
    "silent at RCPT": Case("RCPT: <silence>", options=("smtpd_proxy_timeout=2s",)),
}
_COMMANDS = {
    "XFORWARD": Case(_XFORWARD),
    "XFORWARD, some": Case("EHLO: 250-filter.example\nEHLO: 250 XFORWARD NAME ADDR"),
    "XFORWARD, others": Case("EHLO: 250-filter.example\nEHLO: 250 xforward name DOMAIN bla port"),
    "XFORWARD refused": Case(_XFORWARD + "\nXFORWARD: 550 no"),
    "XFORWARD closes": Case(_XFORWARD + "\nXFORWARD: <close>"),
    "XFORWARD passed on": Case(
        _XFORWARD,
        (*_HELLO, "XFORWARD NAME=spike.example ADDR=192.0.2.1 PORT=99 PROTO=SMTP HELO=xx IDENT=QQ SOURCE=LOCAL", *_MAIL[1:]),
        ("smtpd_authorized_xforward_hosts=127.0.0.0/8",),
    ),
    "XFORWARD, ident only": Case(
        _XFORWARD, (*_HELLO, "XFORWARD IDENT=QQ", *_MAIL[1:]), ("smtpd_authorized_xforward_hosts=127.0.0.0/8",)
    ),
    "XFORWARD, long": Case(_XFORWARD, (f"EHLO {'c' * 200}.example", *_MAIL[1:])),
    "XFORWARD, too long for a command": Case(_XFORWARD, (f"EHLO {'+' * 120}.example", *_MAIL[1:])),
    "XFORWARD, ours": Case(_XFORWARD, options=("local_header_rewrite_clients=static:all",)),
    "XFORWARD, odd HELO": Case(_XFORWARD, ("HELO ab+c \u00fc", *_MAIL[1:])),
    "name in EHLO": Case(options=("smtpd_proxy_ehlo=other.example",)),
    "HELO": Case(_XFORWARD, ("HELO client.example", *_MAIL[1:])),
    "no hello": Case(_XFORWARD, _MAIL[1:]),
    "parameters": Case(
        says=(
            *_HELLO,
            "mail from: <a@example.com>  size=20 BODY=8BITMIME RET=HDRS ENVID=x",
            "RCPT TO: <b@example.net> NOTIFY=NEVER",
            "data",
            _TEXT,
        )
    ),
    "SMTPUTF8": Case(says=(*_HELLO, "MAIL FROM:<\u00fc@example.com> SMTPUTF8", "RCPT TO:<\u00f6@example.net>", "DATA", _TEXT)),
    "at MAIL": Case(options=("smtpd_delay_open_until_valid_rcpt=no",)),
    "at MAIL, nobody listens": Case("none", options=("smtpd_delay_open_until_valid_rcpt=no",)),
    "at MAIL, refused": Case("MAIL: 550 5.7.1 no", options=("smtpd_delay_open_until_valid_rcpt=no",)),
    "RSET": Case(says=(*_HELLO, _FROM, _TO, "RSET", *_MAIL[1:])),
    "no valid recipient": Case(says=(*_HELLO, _FROM, "RCPT TO:<b@elsewhere.example>", "DATA"), options=("mynetworks=",)),
    "two messages": Case(says=(*_MAIL, *_MAIL[1:])),
    "BDAT": Case(says=(*_HELLO, _FROM, _TO, "BDAT 12\r\nSubject: x", "BDAT 12 LAST\r\n\r\nbody\r\nbo\r\n")),
    "BDAT, refused": Case(
        "DOT: 550 5.7.1 no", (*_HELLO, _FROM, _TO, "BDAT 12\r\nSubject: x", "BDAT 12 LAST\r\n\r\nbody\r\nbo\r\n")
    ),
    "BDAT, DATA refused": Case(
        "DATA: 554 5.5.1 no", (*_HELLO, _FROM, _TO, "BDAT 12\r\nSubject: x", "BDAT 12 LAST\r\n\r\nbody\r\nbo\r\n")
    ),
    "BDAT, no end of line": Case(says=(*_HELLO, _FROM, _TO, "BDAT 16 LAST\r\nSubject: x\r\n\r\nbo")),
    "too large": Case(
        says=(*_HELLO, _FROM, _TO, "DATA", "Subject: x\r\n\r\n" + 40 * (70 * "y" + "\r\n") + "."),
        options=("message_size_limit=2000",),
    ),
    "too large, said so": Case(says=(*_HELLO, _FROM + " SIZE=3000"), options=("message_size_limit=2000",)),
    "long line": Case(says=(*_MAIL[:-1], f"Subject: x\r\n\r\n{'y' * 2500}\r\n.")),
    "bare newline": Case(says=(*_MAIL[:-1], b"Subject: x\n\nbody\nmore\r\n.")),
    "stray CR": Case(says=(*_MAIL[:-1], b"Subject: x\r\n\r\nbo\rdy\r\n.")),
    "NUL": Case(says=(*_MAIL[:-1], b"Subject: x\r\n\r\nbo\0dy\r\n.")),
    "no header": Case(says=(*_MAIL[:-1], "body\r\n.")),
    "From line": Case(says=(*_MAIL[:-1], "From a@example.com\r\nSubject: x\r\n\r\nbody\r\n.")),
    "empty": Case(says=(*_MAIL[:-1], ".")),
    "QUIT": Case(says=(*_MAIL, "QUIT")),
    "refused, soft": Case("DOT: 550 5.7.1 spam", options=("soft_bounce=yes",)),
    "refused, footer": Case("DOT: 550 5.7.1 spam", options=("smtpd_reject_footer=call_us",)),
    "RCPT refused, footer": Case("RCPT: 550 5.7.1 spam", options=("smtpd_reject_footer=call_us",)),
}
_ACTIONS = {
    action: Case(options=(f"smtpd_recipient_restrictions=check_recipient_access inline:{{{{b@example.net = {value}}}}} permit",))
    for action, value in {
        "PREPEND": "PREPEND X-Seen: yes",
        "HOLD": "HOLD",
        "DISCARD": "DISCARD",
        "FILTER": "FILTER smtp:[127.0.0.1]:1",
        "REDIRECT": "REDIRECT z@example.net",
        "BCC": "BCC z@example.net",
        "WARN": "WARN",
        "REJECT": "REJECT",
    }.items()
} | {
    "DISCARD opens no relay": Case(
        says=(*_HELLO, _FROM, "RCPT TO:<b@elsewhere.example>", "DATA"),
        options=("mynetworks=", "smtpd_recipient_restrictions=check_sender_access,inline:{a@example.com=DISCARD}"),
    ),
    "content_filter": Case(options=("content_filter=smtp:[127.0.0.1]:1",)),
    "header_checks": Case(options=("header_checks=static:REJECT", "always_bcc=z@example.net")),
    "data restrictions": Case(options=("smtpd_data_restrictions=check_sender_access,static:REJECT",)),
    "end of data restrictions": Case(options=("smtpd_end_of_data_restrictions=check_sender_access,static:REJECT",)),
}
_NOT_IN_SPEED = {"at MAIL", "at MAIL, nobody listens", "at MAIL, refused", "HELO", "no hello", "name in EHLO"}
_ONCE = _ANSWERS | _COMMANDS | _ACTIONS
CASES = _ONCE | {
    f"{_SLOWLY}{name}": Case(case.filter, case.says, (*case.options, _SPEED))
    for name, case in (_ANSWERS | _COMMANDS).items()
    if name not in _NOT_IN_SPEED
}


class Way:
    """One mail system, with a service for each case."""

    def __init__(self, ports: Mapping[str, int], filters: Mapping[str, ScriptedServer], log: Callable[[], str]) -> None:
        self._ports, self._filters, self._log = ports, filters, log
        self._met: dict[str, list[str]] = {}

    def replies(self, name: str) -> list[str]:
        """What the client of a case is answered, less the first hello."""
        if name not in self._met:
            with contextlib.closing(Client(self._ports[name])) as client:
                self._met[name] = [_plain(f"{code} {text}".strip()) for code, text in _say(client, CASES[name].says)]
        return self._met[name][1:]

    def heard(self, name: str) -> list[list[str]]:
        """What the filter was sent: commands, a list a conversation, and contents."""
        self.log(name)
        heard = self._filters[name]
        wait_for(lambda: heard.over == len(heard.commands), f"an end of {name}")
        commands = [[re.sub(r"PORT=\d+", "PORT=N", command) for command in commands] for commands in heard.commands]
        return [*commands, *([_plain_content(content)] for content in heard.contents)]

    def log(self, name: str) -> list[str]:
        """What the log has of it."""
        self.replies(name)
        mark = f" case-{list(CASES).index(name)}/smtpd["
        found = lambda: [line.split("]: ", 1)[1] for line in self._log().splitlines() if mark in line]  # noqa: E731
        wait_for(lambda: any(line.startswith("disconnect from") for line in found()), lambda: f"an end of {name}\n{found()}")
        return [_plain(line)[:_LONGEST] for line in found() if not line.startswith(("connect from", "lost connection after"))]


def _say(client: Client, lines: Iterable[str | bytes]) -> Iterator[tuple[int, str]]:
    """The replies to lines in turn, less what follows a refusal of DATA."""
    code = 0
    for line in lines:
        if code != 354 and line not in _COMMAND_LINES and line in (_TEXT, _LONE_DOT):
            continue
        code, text = client.say(line)
        yield code, text
        if not code:
            return


def _plain(text: str) -> str:
    """A reply or a log line, without what is another each time."""
    text = re.sub(rf"(queued as|id) {QUEUE_ID}", r"\1 QID", re.sub(rf"^{QUEUE_ID}: ", "QID: ", text))
    return re.sub(r"PORT=\d+", "PORT=N", re.sub(r"127.0.0.1:\d+", "127.0.0.1:N", text))


def _plain_content(content: bytes) -> str:
    text = content.decode("utf-8", "backslashreplace")
    return re.sub(r"\w{3}, [ \d]\d \w{3} \d{4} .* \([A-Z]+\)", "DATE", text)


def _services(ports: Mapping[str, int], filters: Mapping[str, ScriptedServer]) -> str:
    """A line of master.cf for each case."""
    lines = ""
    for number, (name, case) in enumerate(CASES.items()):
        port = 1 if case.filter == "none" else filters[name].port
        options = (f"smtpd_proxy_filter=127.0.0.1:{port}", f"syslog_name=case-{number}", *case.options)
        lines += f"127.0.0.1:{ports[name]} inet n - n - - smtpd\n"
        lines += "".join(f" -o {{ {option.replace('=', ' = ', 1)} }}\n" for option in options)
    return lines


_MAIN = {
    "default_process_limit": "500",
    "smtpd_peername_lookup": "no",
    "smtpd_error_sleep_time": "0",
    "smtpd_forbid_bare_newline": "no",
    "myhostname": "mail.example.test",
    "mail_name": "Postfix",
    "virtual_mailbox_domains": "example.net",
    "virtual_mailbox_maps": "static:box/",
    "virtual_mailbox_base": "/nowhere",
    "virtual_uid_maps": "static:65534",
    "virtual_gid_maps": "static:65534",
}


@contextlib.contextmanager
def _filters() -> Iterator[tuple[dict[str, int], dict[str, ScriptedServer]]]:
    """Ports for the services, and the filters, by case."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with contextlib.ExitStack() as stack:
        script = lambda case: Script.of("" if case.filter == "none" else case.filter)  # noqa: E731
        filters = {name: stack.enter_context(ScriptedServer(script(case), context)) for name, case in CASES.items()}
        yield dict(zip(CASES, free_ports(len(CASES)), strict=True)), filters


@pytest.fixture(scope="module")
def theirs() -> Iterator[Way]:
    """Postfix."""
    with _filters() as (ports, filters):
        postfix = Postfix("".join(f"{name} = {value}\n" for name, value in _MAIN.items()), _services(ports, filters))
        try:
            yield Way(ports, filters, lambda: postfix.log)
        finally:
            postfix.clean()


@pytest.fixture(scope="module")
def ours() -> Iterator[Way]:
    """Gatepost."""
    with _filters() as (ports, filters), System(_MAIN, MASTER + _services(ports, filters)) as system:
        yield Way(ports, filters, system.log)


_FAILED = "451 4.3.0 Error: queue file write error"
_OUR_REPLIES = {
    "354 at the end": ("354 more", _FAILED),
    "999 at the end": ("999 more", _FAILED),
    "000 at the end": ("0 more", _FAILED),
    "garbage, then 250": ("250 age\n2.0.0 ok", "250 2.0.0 ok"),
}
"""Where the client is answered otherwise on purpose (docs/differences.md): instead of what, and with what."""
_OUR_CONTENTS = {"stray CR": ("bo\rdy", "bo dy")}
_OUR_LOG = {
    "garbage, then 250": ("proxy-reject: END-OF-MESSAGE: garbage??", "proxy-accept: END-OF-MESSAGE: garbage "),
    "too large": ("proxy-reject: ", None),
}
"""The same of the log; None: the line is not there."""


def _counted(lines: list[str], name: str) -> list[str]:
    """What Postfix has, where it does not count a message as accepted that is."""
    return [line.replace("data=0/1 commands=3/4", "data=1 commands=4") for line in lines] if "garbage" in name else lines


def _changed(lines: list[str], name: str, changes: Mapping[str, tuple[str, str | None]]) -> list[str]:
    """What Postfix has, with ours in its place."""
    theirs, ours = changes.get(name.removeprefix(_SLOWLY), ("", ""))
    return [line.replace(theirs, ours or "") if theirs else line for line in lines if ours is not None or theirs not in line]


@pytest.mark.parametrize("name", CASES)
def test_a_client_is_answered_as_by_postfix(name: str, ours: Way, theirs: Way) -> None:
    assert ours.replies(name) == _changed(theirs.replies(name), name, _OUR_REPLIES)


@pytest.mark.parametrize("name", CASES)
def test_the_filter_hears_what_it_hears_of_postfix(name: str, ours: Way, theirs: Way) -> None:
    assert ours.heard(name) == [_changed(lines, name, _OUR_CONTENTS) for lines in theirs.heard(name)]


@pytest.mark.parametrize("name", CASES)
def test_the_log_says_what_postfix_says(name: str, ours: Way, theirs: Way) -> None:
    assert ours.log(name) == _changed(_counted(theirs.log(name), name), name, _OUR_LOG)


def test_only_mail_that_waits_here_needs_room_in_the_queue() -> None:
    """What goes to the filter as it comes does not (observed with Postfix 3.7)."""
    lines = "127.0.0.1:{second} inet n - n - - smtpd -o smtpd_proxy_filter=127.0.0.1:1\n"
    lines += f"127.0.0.1:{{third}} inet n - n - - smtpd -o smtpd_proxy_filter=127.0.0.1:1 -o {_SPEED}\n"
    with System({"message_size_limit": "900000000000000"}, MASTER + lines) as system:
        for port, code in ((system.port, 452), (system.second, 250), (system.third, 452)):
            with contextlib.closing(Client(port)) as client:
                assert [said for said, _ in _say(client, (*_HELLO, _FROM))] == [250, code]
