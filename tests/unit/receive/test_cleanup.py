"""cleanup(8) driven directly; texts, order and log lines are those of Postfix 3.7."""

import asyncio
import itertools
import quopri
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.settings import default

from gatepost.admission.admission import CleanupAdmission
from gatepost.admission.gates import Gates
from gatepost.admission.port import Gate
from gatepost.admission.service import CleanupService
from gatepost.admission.settings import CleanupSettings
from gatepost.events.maillog import words
from gatepost.events.records import Event, tell_fault
from gatepost.lookup.registry import Tables
from gatepost.mail.content import FileContent
from gatepost.mail.envelope import Envelope, Recipient
from gatepost.mail.outcome import Outcome
from gatepost.mail.queue_id import QueueId
from gatepost.queue.port import NewMessage
from gatepost.routing.routing import Routing
from gatepost.routing.settings import RoutingSettings

QUEUE_ID = QueueId(1_700_000_000_123_456, 3)
RECEIVED = b"Received: from client.test (client2.client.test [127.0.0.2])\r\n\tby mail.example.test id X; now\r\n"
CLIENT = "client2.client.test[127.0.0.2]"
TAIL = f"from {CLIENT}; from=<sender@client.test> to=<alice@example.test> proto=ESMTP helo=<client.test>"
MIME = (
    b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b1"\r\n\r\npreamble\r\n--b1\r\nContent-Type: text/plain\r\n\r\n'
    b'text one\r\n--b1\r\nContent-Type: a/x;\r\n name="evil.exe"\r\n\r\nTVqQ\r\n--b1\r\nContent-Type: message/rfc822\r\n\r\n'
    b"Subject: nested subject\r\nX-Nested: yes\r\n\r\nnested body\r\n--b1--\r\nepilogue\r\n"
)

ROUTING = {
    "myhostname": "mail.example.test",
    "mydomain": "example.test",
    "myorigin": "mail.example.test",
    "mydestination": "mail.example.test, example.test, localhost",
}


class Cleaned(NamedTuple):
    """How a message ended: stored, or why not; neither: discarded."""

    message: NewMessage | None = None
    outcome: Outcome | None = None
    returned: NewMessage | None = None


class Run:
    """A cleanup, and what it said."""

    def __init__(self, directory: Path, *gates: Gate, **parameters: object) -> None:
        self.log: list[str] = []
        self.events: list[Event] = []
        routing = {**ROUTING, **{k: v for k, v in parameters.items() if k in RoutingSettings.__struct_fields__}}
        own = {k: v for k, v in parameters.items() if k in CleanupSettings.__struct_fields__}
        for name in ("mime_header_checks", "nested_header_checks"):
            own.setdefault(name, own.get("header_checks", ""))
        tables = Tables(self.log.append)
        numbers = itertools.count()
        self.stored: list[NewMessage] = []
        self.cleanup = CleanupAdmission(
            CleanupService(
                default(CleanupSettings, **own),
                Routing(default(RoutingSettings, **routing), tables, frozenset(("127.0.0.1",)), mapping=tables),  # type: ignore[arg-type]
                tables,
                staging=lambda: directory / f"staged{next(numbers)}",
                store=self._store,
                clock=lambda: 0.0,
                emit=self._emit,
                gates=Gates(gates, tell_fault("cleanup", self._emit)),
            )
        )

    async def _store(self, message: NewMessage) -> None:
        self.stored.append(message)

    def _emit(self, event: Event) -> None:
        self.events.append(event)
        self.log.append(words(event).replace(str(QUEUE_ID), "QID"))

    def __call__(
        self,
        content: bytes,
        *recipients: Recipient,
        sender: str = "sender@client.test",
        context: str = "remote",
        fullname: str = "",
        step: int = 0,
        origin: str = "smtpd",
    ) -> Cleaned:
        intake = self.cleanup.open(QUEUE_ID, client=CLIENT, origin_service=origin, context=context)
        intake.write(RECEIVED)
        for start in range(0, len(content), step or len(content) or 1):
            intake.write(content[start : start + step] if step else content)
        envelope = Envelope(
            sender,
            recipients or (Recipient("alice@example.test", "alice@example.test", "rfc822;alice@example.test"),),
            sender_fullname=fullname,
            attributes=(("log_protocol_name", "ESMTP"), ("log_helo_name", "client.test")),
        )
        self.stored.clear()
        admitted = asyncio.run(intake.admit(envelope))
        return Cleaned(self.stored[0] if self.stored else None, admitted.outcome, admitted.returned)

    def text(self, content: bytes, **options: object) -> str:
        """The content behind our Received header, with LF line ends."""
        cleaned = self(content, **options)  # type: ignore[arg-type]
        assert cleaned.message is not None, cleaned.outcome
        data = cleaned.message.content.read()
        assert data.startswith(RECEIVED)
        assert cleaned.message.size == len(data)
        return data[len(RECEIVED) :].decode().replace("\r\n", "\n").replace(str(QUEUE_ID), "QID")


Make = Callable[..., Run]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return lambda **parameters: Run(tmp_path, **parameters)


def test_headers_without_end_are_refused(make: Make) -> None:
    """What is too long to be looked at must not go unchecked as a body."""
    run = make(header_checks="inline:{{no=such}}")
    content = b"X-A: b\r\n" * 140_000 + b"Subject: unseen\r\n\r\n"
    cleaned = run(content, step=65536)
    assert cleaned.outcome is not None
    assert (cleaned.outcome.code, cleaned.outcome.enhanced) == (552, "5.3.4")
    assert "warning: QID: message header exceeds 1048576 octets" in run.log


DATE = "Date: Thu,  1 Jan 1970 00:00:00 +0000 (UTC)"


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


def test_a_remote_client_s_headers_are_left_alone(make: Make) -> None:
    run = make()
    text = "From: joe\nTo: alice, (comment) eve\n\nx\n"
    assert run.text(text.replace("\n", "\r\n").encode()) == text
    assert run.log == ["QID: message-id=<>"]


def test_a_local_client_s_headers_are_rewritten(make: Make) -> None:
    run = make(append_dot_mydomain=True)
    content = (
        b'From: joe\r\nTo: alice, Bob <bob>, carol@host\r\nCc: "Quoted, Name" <dan@sub.example.test>, (comment) eve\r\n'
        b"Reply-To: <list>\r\nSubject: rewriting\r\nSender: frank@other.test\r\n\r\nx\r\n"
    )
    assert run.text(content, context="local") == (
        "From: joe@mail.example.test\n"
        "To: alice@mail.example.test, Bob <bob@mail.example.test>,\n\tcarol@host.example.test\n"
        'Cc: "Quoted, Name" <dan@sub.example.test>,\n\teve@mail.example.test (comment)\n'
        "Reply-To: <list@mail.example.test>\nSubject: rewriting\nSender: frank@other.test\n"
        f"Message-Id: <QID@mail.example.test>\n{DATE}\n\nx\n"
    )
    assert run.log == ["QID: message-id=<QID@mail.example.test>"]


def test_missing_headers(make: Make) -> None:
    run = make(undisclosed_recipients_header="To: undisclosed-recipients:;")
    assert run.text(b"Subject: x\r\n\r\nx\r\n", context="local", fullname="Bob Builder") == (
        f"Subject: x\nMessage-Id: <QID@mail.example.test>\n{DATE}\nFrom: Bob Builder <sender@client.test>\n"
        "To: undisclosed-recipients:;\n\nx\n"
    )
    assert "To: und" not in run.text(b"Cc: x@y.test\r\n\r\nx\r\n", context="local")
    assert "From: MAILER-DAEMON\n" in run.text(b"\r\nx\r\n", context="local", sender="", fullname="root")


def test_resent(make: Make) -> None:
    run = make()
    assert run.text(b"Resent-From: r@b.test\r\nFrom: a@b.test\r\nTo: c@d.test\r\n\r\nx\r\n", context="local") == (
        f"Resent-From: r@b.test\nFrom: a@b.test\nTo: c@d.test\nResent-Message-Id: <QID@mail.example.test>\nResent-{DATE}\n\nx\n"
    )
    assert run.log == ["QID: resent-message-id=<QID@mail.example.test>", "QID: message-id=<>"]


def test_dropped_headers(make: Make) -> None:
    content = b"Bcc: secret@x.test\r\nContent-Length: 5\r\nReturn-Path: <x>\r\nX-Drop: 1\r\nSubject: x\r\n\r\nx\r\n"
    assert make().text(content) == "X-Drop: 1\nSubject: x\n\nx\n"
    assert make(message_drop_headers="x-drop").text(content).startswith("Bcc: secret@x.test\nContent-Length: 5\n")


def test_a_body_without_an_empty_line_gets_one(make: Make) -> None:
    assert make().text(b"Subject: x\r\nnot a header line\r\n\r\nmore\r\n") == "Subject: x\n\nnot a header line\n\nmore\n"


def test_stray_line_ends_become_spaces(make: Make) -> None:
    content = b"Subject: a\rb\r\n\r\none\rtwo\nthree\r\r\n"
    assert make().text(content) == "Subject: a b\n\none two three \n"
    assert make().text(content, step=1) == "Subject: a b\n\none two three \n"
    assert make(cleanup_replace_stray_cr_lf=False).cleanup is not None


def test_hops(make: Make) -> None:
    run = make(hopcount_limit=3)
    outcome = run(b"Received: x\r\n" * 3 + b"Subject: x\r\n\r\nx\r\n").outcome
    assert outcome is not None
    assert (outcome.code, outcome.enhanced, outcome.text) == (554, "5.4.0", "Error: too many hops")
    assert run.log == ["warning: QID: message rejected: hopcount exceeded"]


CONTENT = (
    b"From: Sender <sender@client.test>\r\nSubject: bad thing\r\nX-Long: one\r\n two\r\n\r\nHello\r\nbody bad thing\r\nlast\r\n"
)
AS_IT_WAS = CONTENT.decode().replace("\r\n", "\n")


@pytest.mark.parametrize(
    ("rule", "line", "text"),
    [
        ("WARN hmm", f"warning: header Subject: bad thing {TAIL}: hmm", AS_IT_WAS),
        ("INFO", f"info: header Subject: bad thing {TAIL}", AS_IT_WAS),
        ("PASS because", f"pass: header Subject: bad thing {TAIL}: because", AS_IT_WAS),
        ("DUNNO", "", AS_IT_WAS),
        ("IGNORE", "", AS_IT_WAS.replace("Subject: bad thing\n", "")),
        ("STRIP", f"strip: header Subject: bad thing {TAIL}", AS_IT_WAS.replace("Subject: bad thing\n", "")),
        ("REPLACE A: b", f"replace: header Subject: bad thing {TAIL}: A: b", AS_IT_WAS.replace("Subject: bad thing", "A: b")),
        ("PREPEND A: b", f"prepend: header Subject: bad thing {TAIL}: A: b", AS_IT_WAS.replace("Subject", "A: b\nSubject")),
    ],
)  # fmt: skip
def test_header_checks_that_let_pass(make: Make, rule: str, line: str, text: str) -> None:
    run = make(header_checks=f"regexp:{{{{/^Subject: bad/ {rule}}}}}")
    assert run.text(CONTENT) == text
    assert run.log == [f"QID: {line}"] * bool(line) + ["QID: message-id=<>"]


@pytest.mark.parametrize(
    ("rule", "warning"),
    [
        ("REPLACE no header", 'bad REPLACE header text "no header" in header_checks map -- need "headername: headervalue"'),
        ("REPLACE", "REPLACE action without text in header_checks map"),
        ("FILTER foo", "bad FILTER command foo in header_checks -- need transport:destination"),
        ("BCC carol", 'bad BCC address "carol" in header_checks map -- need user@domain'),
        ("REDIRECT carol", 'bad REDIRECT target "carol" in header_checks map -- need user@domain'),
        ("550 nope", "unknown command in header_checks map: 550 nope"),
    ],
)
def test_mistakes_in_checks(make: Make, rule: str, warning: str) -> None:
    run = make(header_checks=f"regexp:{{{{/^Subject: bad/ {rule}}}}}")
    assert run.text(CONTENT) == AS_IT_WAS
    assert run.log == [f"warning: {warning}", "QID: message-id=<>"]


@pytest.mark.parametrize(
    ("rule", "reply"),
    [
        ("REJECT", "550 5.7.1 message content rejected"),
        ("reject lower", "550 5.7.1 lower"),
        ("REJECT 5.7.9 coded text", "550 5.7.9 coded text"),
        ("REJECT 4.7.9 odd", "451 4.7.9 odd"),
    ],
)
def test_refusals(make: Make, rule: str, reply: str) -> None:
    for parameter, kind in (("header_checks", "header X-Long: one? two"), ("body_checks", "body body bad thing")):
        run = make(**{parameter: f"regexp:{{{{/^X-Long: one.*two/ {rule}}}, {{/^body bad/ {rule}}}}}"})
        outcome = run(CONTENT).outcome
        assert outcome is not None
        assert f"{outcome.code} {outcome.enhanced} {outcome.text}" == reply
        assert run.log[-1] == f"QID: reject: {kind} {TAIL}: {reply[4:]}"


def test_effects_on_the_envelope(make: Make) -> None:
    run = make(
        header_checks="regexp:{{/^From:/ HOLD review}, {/^Subject:/ FILTER smtp:[x]:1}, {/^X-Long:/ REDIRECT bob@example.test}}"
    )
    message = run(CONTENT).message
    assert message is not None
    assert (message.envelope.hold, message.envelope.content_filter, message.envelope.redirect) == (
        True, "smtp:[x]:1", "bob@example.test",
    )  # fmt: skip
    bcc = make(header_checks="regexp:{{/^Subject:/ BCC carol@example.test}}")(CONTENT).message
    assert bcc is not None
    assert bcc.envelope.recipients[1] == Recipient("carol@example.test", "carol@example.test", "", 1)


def test_discard(make: Make) -> None:
    run = make(header_checks="regexp:{{/^Subject: bad/ DISCARD gone}}")
    assert run(CONTENT) == Cleaned()
    assert run.log == [f"QID: discard: header Subject: bad thing {TAIL}: gone"]


def test_checks_can_be_overridden(make: Make) -> None:
    run = make(header_checks="regexp:{{/./ REJECT}}", receive_override_options="no_header_body_checks")
    assert run.text(CONTENT) == AS_IT_WAS


def test_body_checks_stop_at_the_size_limit(make: Make) -> None:
    run = make(body_checks="regexp:{{/bad/ REJECT}}", body_checks_size_limit=50)
    assert run(b"Subject: x\r\n\r\n" + b"y" * 60 + b"\r\n\r\n\r\nbody bad\r\n").message is not None


def test_mime_parts(make: Make) -> None:
    run = make(
        body_checks="regexp:{{/^(preamble|epilogue|--b1|nested body|TVqQ)/ INFO}}", header_checks="regexp:{{/evil|nested/ INFO}}"
    )
    assert run.text(MIME) == MIME.decode().replace("\r\n", "\n")
    told = [line.split(" from ")[0].removeprefix("QID: info: ") for line in run.log if "info" in line]
    assert told == [
        "body preamble", "body --b1", "body --b1", 'header Content-Type: a/x;? name="evil.exe"', "body TVqQ", "body --b1",
        "header Subject: nested subject", "header X-Nested: yes", "body nested body", "body --b1--", "body epilogue",
    ]  # fmt: skip


def test_mime_is_not_looked_at_where_disabled(make: Make) -> None:
    run = make(
        body_checks="regexp:{{/^X-Nested/ REJECT}}", header_checks="regexp:{{/^X-Nested/ WARN}}", disable_mime_input_processing=True
    )
    assert run(MIME).outcome is not None
    assert "body X-Nested: yes" in run.log[-1]


def test_strict_mime(make: Make) -> None:
    body = make(strict_8bitmime_body=True)
    outcome = body("Subject: x\r\n\r\ncafé\r\n".encode()).outcome
    assert outcome is not None
    assert f"{outcome.code} {outcome.enhanced} {outcome.text}" == "550 5.6.0 improper use of 8-bit data in message body"
    domain = make(strict_mime_encoding_domain=True)
    domain(b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nQQ==\r\n")
    assert domain.log[-1] == (
        f"QID: reject: mime-error invalid message/* or multipart/* encoding domain: base64 from {CLIENT}; "
        "from=<sender@client.test> to=<alice@example.test>"
    )


EIGHT = "Content-Transfer-Encoding: 8bit\r\nSubject: x\r\n\r\n.café {}\r\n"


@pytest.mark.parametrize("length", [1, 600_000])
def test_what_is_declared_as_8_bit_is_converted_before_anybody_looks(make: Make, length: int) -> None:
    """A signature made then holds wherever the message goes (force_mime_input_conversion)."""
    run = make(force_mime_input_conversion=True, body_checks="regexp:{{/^.caf=C3=A9/ INFO}}")
    text = run.text(EIGHT.format("y" * length).encode())
    head, _, body = text.partition("\n\n")
    assert head.endswith("Content-Transfer-Encoding: quoted-printable") or "\nContent-Transfer-Encoding: quoted-printable\n" in head
    assert quopri.decodestring(body.encode()).decode() == f".café {'y' * length}\n"
    assert max(map(len, body.split("\n"))) <= 76
    assert any("info: body .caf=C3=A9" in line for line in run.log)
    assert run.stored[0].envelope.encoding == ""


@pytest.mark.parametrize(
    "parameters", [{}, {"force_mime_input_conversion": True, "disable_mime_input_processing": True}], ids=["not asked", "no MIME"]
)
def test_8_bit_stays_otherwise(make: Make, parameters: dict[str, object]) -> None:
    run = make(**parameters)
    assert "\n.café y\n" in run.text(EIGHT.format("y").encode())
    assert run.stored[0].envelope.encoding == "8bit"


def test_lines_that_conversion_made_may_begin_with_a_dot(make: Make) -> None:
    run = make(force_mime_input_conversion=True)
    line = "é" + "x" * 67 + ".y"
    content = f"Content-Transfer-Encoding: 8bit\r\n\r\n{line}\r\n".encode()
    assert "\n.y\n" in run.text(content)
    assert not run.stored[0].content.plain


UNENDED = b"Subject: x\r\nno header here\r\nX-Late: y\r\n"
MIME_ERROR = "MIME-Error: message header was not terminated by empty line"


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("begins", [UNENDED, UNENDED[12:]])
def test_headers_that_end_without_an_empty_line(make: Make, begins: bytes, large: bool) -> None:
    content = begins + (b"z" * 70 + b"\r\n") * (5000 * large)
    quiet = make().text(content)
    assert MIME_ERROR not in quiet
    assert "\nno header here\nX-Late: y\n" in quiet
    told = make(non_empty_end_of_header_action="add_header").text(content)
    assert f"{MIME_ERROR}\n\nno header here\n" in told
    refused = make(non_empty_end_of_header_action="reject")
    outcome = refused(content).outcome
    assert outcome is not None
    assert f"{outcome.code} {outcome.enhanced} {outcome.text}" == "550 5.6.0 message header was not terminated by empty line"
    assert "reject: mime-error message header was not terminated by empty line: no header here from" in refused.log[-1]


@pytest.mark.parametrize("content", [b"Subject: x\r\n\r\nno header here\r\n", b"Subject: x\r\n", b"\r\nSubject: x\r\n", b""])
@pytest.mark.parametrize("action", ["add_header", "reject"])
def test_headers_that_end_as_they_should(make: Make, content: bytes, action: str) -> None:
    assert MIME_ERROR not in make(non_empty_end_of_header_action=action).text(content)


def test_recipients(make: Make) -> None:
    run = make(
        virtual_alias_maps="inline:{{team@example.test=alice bob x@remote.test}}",
        recipient_bcc_maps="inline:{{alice@example.test=carol@example.test}}",
        always_bcc="archive@example.test",
    )
    cleaned = run(
        CONTENT,
        Recipient("team@example.test", "team@example.test", "rfc822;team@example.test", 6),
        Recipient("alice@example.test", "alice@example.test"),
        Recipient("ALICE@example.test", "alice@example.test"),
        sender="joe",
    )
    message = cleaned.message
    assert message is not None
    assert [recipient.address for recipient in cleaned.message.expanded] == ["team@example.test"]
    assert message.envelope.sender == "joe@mail.example.test"
    team = ("team@example.test", "rfc822;team@example.test", 4)
    assert message.envelope.recipients == (
        *(Recipient(to, *team) for to in ("alice@mail.example.test", "bob@mail.example.test", "x@remote.test")),
        Recipient("alice@example.test", "alice@example.test", "rfc822;alice@example.test"),
        Recipient("carol@example.test", "carol@example.test", "", 1),
        Recipient("archive@example.test", "archive@example.test", "", 1),
    )


def test_alias_loop(make: Make) -> None:
    run = make(virtual_alias_maps="inline:{{alice@example.test=b@example.test}, {b@example.test=alice@example.test}}")
    outcome = run(CONTENT).outcome
    assert outcome is not None
    assert f"{outcome.code} {outcome.enhanced} {outcome.text}" == "451 4.6.0 Alias expansion error"
    assert run.log == [
        "warning: QID: unreasonable virtual_alias_maps map nesting for alice@example.test -- message not accepted, try again later"
    ]


@pytest.mark.parametrize(
    ("parameters", "key", "problem"),
    [
        ({"virtual_alias_maps": "fail:x"}, "alice@example.test", "virtual_alias_maps map lookup problem for alice@example.test"),
        (
            {"sender_canonical_maps": "fail:x"},
            "sender@client.test",
            "sender_canonical_maps map lookup problem for sender@client.test",
        ),
        ({"sender_bcc_maps": "fail:x"}, "sender@client.test", "sender_bcc_maps map lookup problem"),
        ({"recipient_bcc_maps": "fail:x"}, "alice@example.test", "recipient_bcc_maps map lookup problem"),
        ({"header_checks": "fail:x"}, RECEIVED.decode().strip().replace("\r\n", "\n"), "header_checks map lookup problem"),
    ],
)
def test_a_table_that_fails_is_temporary(make: Make, parameters: dict[str, str], key: str, problem: str) -> None:
    run = make(**parameters)
    outcome = run(CONTENT).outcome
    assert outcome is not None
    assert f"{outcome.code} {outcome.enhanced} {outcome.text}" == "451 4.3.0 Error: queue file write error"
    assert outcome.origin == "resource"  # of which the postmaster is told (notify_classes)
    assert run.log == [f'fail:x lookup error for "{key}"', f"warning: QID: {problem} -- message not accepted, try again later"]


def test_encoding_header_says_8bit(make: Make) -> None:
    message = make()(b"Content-Transfer-Encoding: 8bit\r\n\r\nx\r\n").message
    assert message is not None
    assert message.envelope.encoding == "8bit"


def test_disallowed_characters(make: Make) -> None:
    assert make(message_strip_characters="\\0").text(b"Subject: a\0b\r\n\r\n\0x\r\n") == "Subject: ab\n\nx\n"
    outcome = make(message_reject_characters="\\0")(b"Subject: x\r\n\r\na\0b\r\n").outcome
    assert outcome is not None
    assert (outcome.code, outcome.text) == (550, "disallowed character")


def test_large_messages_wait_in_a_file(make: Make, tmp_path: Path) -> None:
    body = b"".join(b"line %d\r\n" % number for number in range(40000))
    content = b"Bcc: x\r\nSubject: big\r\n\r\n" + body
    run = make()
    message = run(content, step=30000, context="local").message
    assert message is not None
    assert isinstance(message.content, FileContent)
    data = message.content.read()
    assert data.startswith(RECEIVED + b"Subject: big\r\nMessage-Id: <")
    assert data.endswith(b"\r\n\r\n" + body)
    assert message.size == len(data)


def test_large_bodies_are_checked_in_their_file(make: Make, tmp_path: Path) -> None:
    body = b"".join(b"line %d\r\n" % number for number in range(40000))
    content = b"Subject: big\r\n\r\n" + body
    checked = make(body_checks="regexp:{{/^line 7$$/ REPLACE seven}}")(content, step=30000).message
    assert checked is not None
    assert checked.content.read().endswith(b"\r\n\r\n" + body.replace(b"\r\nline 7\r\n", b"\r\nseven\r\n"))
    assert [path.name for path in tmp_path.iterdir()] == ["staged1"]  # the file that was read is gone


def test_nothing_is_left_of_a_refused_large_message(make: Make, tmp_path: Path) -> None:
    run = make(message_size_limit=1000)
    assert run(b"Subject: big\r\n\r\n" + b"x\r\n" * 200000, step=65536).outcome is not None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "context", "said"),
    [
        (b"Message-Id: <a@b>\r\n\r\nx\r\n", "remote", ["QID: message-id=<a@b>"]),
        (b"Subject: x\r\n\r\n", "remote", ["QID: message-id=<>"]),
        (b"Subject: x\r\n\r\n", "local", ["QID: message-id=<QID@mail.example.test>"]),
        (b"Subject: x\r\n", "remote", []),
        (
            b"Subject: x\r\n\r\n" + 12 * (b"x" * 78 + b"\r\n"),
            "remote",
            ["QID: message-id=<>", "warning: mail_stream_cleanup: close error"],
        ),
    ],
)
def test_what_the_log_has_of_a_message_given_up(make: Make, content: bytes, context: str, said: list[str]) -> None:
    run = make(message_size_limit=1000)
    intake = run.cleanup.open(QUEUE_ID, client=CLIENT, origin_service="smtpd", context=context)
    intake.write(RECEIVED)
    intake.write(content)
    intake.abort()
    assert run.log == said


def test_a_disk_that_cannot_write_is_temporary(make: Make, tmp_path: Path) -> None:
    run = make()
    run.cleanup.service.staging = lambda: tmp_path / "missing" / "file"
    outcome = run(b"Subject: big\r\n\r\n" + b"x\r\n" * 200000, step=65536).outcome
    assert outcome is not None
    assert outcome.code == 451


@given(
    st.lists(st.sampled_from([b"A: x", b"From: a", b" y", b"", b"no", b"--b", b"Content-Type: multipart/x; boundary=b", b"\xff"])),
    st.integers(1, 9),
)
@settings(max_examples=60, deadline=None)
def test_a_remote_body_comes_out_as_it_came_in(lines: list[bytes], step: int) -> None:
    content = b"X: 1\r\n\r\n" + b"".join(line + b"\r\n" for line in lines)
    for parameters in ({}, {"body_checks": "regexp:{{/never/ REJECT}}"}):
        message = Run(Path("/nowhere"), **parameters)(content, step=step).message
        assert message is not None
        assert message.content.read() == RECEIVED + content


@pytest.mark.parametrize("checks", ["header_checks", "body_checks"])
def test_what_a_submission_is_refused_for_goes_back_with_a_whole_header(make: Make, checks: str) -> None:
    run = make(**{checks: "inline:{{Subject: bad=REJECT 5.7.9 no}, {evil=REJECT 5.7.9 no}}"})
    content = b"Subject: bad\r\nTo: a@b.test\r\n\r\nevil\r\nmore\r\n"
    refused = run(content, Recipient("ann"), context="local", origin="pickup")
    assert refused.message is None
    assert refused.outcome is not None
    assert (refused.outcome.enhanced, refused.outcome.text) == ("5.7.9", "no")
    assert refused.returned is not None
    assert [recipient.address for recipient in refused.returned.envelope.recipients] == ["ann@mail.example.test"]
    assert refused.returned.envelope.ret == "HDRS"
    head = refused.returned.content.read()[len(RECEIVED) :].decode().replace("\r\n", "\n").replace(str(QUEUE_ID), "QID")
    assert head == f"Subject: bad\nTo: a@b.test\nMessage-Id: <QID@mail.example.test>\n{DATE}\nFrom: sender@client.test\n"
    assert run.log[-1 if checks == "header_checks" else 0] == "QID: message-id=<QID@mail.example.test>"


def test_to_a_client_that_waits_nothing_is_returned(make: Make) -> None:
    assert make(header_checks="inline:{{Subject: bad=REJECT}}")(b"Subject: bad\r\n\r\nx\r\n").returned is None
