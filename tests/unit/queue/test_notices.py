"""Notices: who is told what, and the exact text, as Postfix 3.7 sends it."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gatepost.events.records import Event, Note, Notified
from gatepost.mail.address import to_bytes
from gatepost.mail.content import Content, FileContent, MemoryContent
from gatepost.mail.envelope import Envelope, Notify, Recipient
from gatepost.mail.outcome import Class, Outcome
from gatepost.mail.queue_id import QueueId
from gatepost.mail.queued import ActiveMessage, QueuedRecipient
from gatepost.queue.notice_message import LINE_LENGTH, header_of, wrap
from gatepost.queue.notice_templates import BUILT_IN, expanded, parse
from gatepost.queue.notices import Notices, NoticeSettings, unicode_domain
from gatepost.queue.port import Failure

NOW = 1_795_555_754.0
ORIGINAL = b"From: Bob <bob@example.test>\r\nSubject: the original\r\nMessage-Id: <m1@b.test>\r\n\r\nbody\r\n"
SETTINGS = NoticeSettings(
    myhostname="mail.example.test",
    mydomain="example.test",
    mail_name="Postfix",
    double_bounce_sender="double-bounce",
    double_bounce_recipient="two",
    bounce_notice_recipient="postmaster",
    delay_notice_recipient="late",
    notify_classes="resource, software",
    bounce_size_limit=50_000,
    bounce_template_file="",
    enable_threaded_bounces=False,
    disable_verp_bounces=False,
    header_from_format="standard",
    smtputf8_enable=True,
    requiretls_redact_dsn=True,
    delay_warning_time=0,
    maximal_queue_lifetime=432_000,
)
NOBODY = Outcome(
    Class.PERMANENT,
    "5.1.1",
    "host 127.0.0.21[127.0.0.21] said: 550 5.1.1 nobody (in reply to RCPT TO command)",
    remote_mta="dns; 127.0.0.21",
    diagnostic="smtp; 550 5.1.1 nobody",
)


def expand(text: str, names: Mapping[str, str]) -> str:
    return re.sub(r"\$(\w+)", lambda match: names.get(match[1], ""), text)


class Told:
    """Notices with everything they hand on kept."""

    def __init__(self, **changes: Any) -> None:
        self.mail: list[tuple[Envelope, str]] = []
        self.events: list[Event] = []
        self.notices = Notices(replace(SETTINGS, **changes), self.submit, self.events.append, lambda: NOW, expand)

    async def submit(self, envelope: Envelope, content: Content, *, origin: str) -> QueueId:
        assert origin == "bounce"
        self.mail.append((envelope, content.read().decode("utf-8", "surrogateescape")))
        return QueueId(len(self.mail), 0)

    def bounced(self, message: ActiveMessage, *failures: Failure) -> "Told":
        asyncio.run(self.notices.bounced(message, failures))
        return self

    def delayed(self, message: ActiveMessage, *failures: Failure) -> "Told":
        asyncio.run(self.notices.delayed(message, failures))
        return self

    def succeeded(self, message: ActiveMessage, *failures: Failure) -> "Told":
        asyncio.run(self.notices.succeeded(message, failures))
        return self

    def traced(self, message: ActiveMessage, *failures: Failure) -> "Told":
        asyncio.run(self.notices.traced(message, failures))
        return self

    @property
    def kinds(self) -> list[str]:
        return [event.kind for event in self.events if isinstance(event, Notified)]

    @property
    def routes(self) -> list[tuple[str, str]]:
        return [(envelope.sender, envelope.recipients[0].address) for envelope, _ in self.mail]


def message(sender: str = "bob@example.test", content: Content | None = None, size: int = 300, **envelope: Any) -> ActiveMessage:
    return ActiveMessage(
        QueueId(1_795_555_754_000_000, 0), Envelope(sender, **envelope), content or MemoryContent(ORIGINAL), size, ()
    )


def failure(
    address: str = "x@remote.test",
    outcome: Outcome = NOBODY,
    action: str = "failed",
    relay: str = "none",
    original: str = "",
    orcpt: str = "",
    notify: int = 0,
) -> Failure:
    return Failure(QueuedRecipient(0, Recipient(address, original or address, orcpt, notify)), outcome, action, relay)


def test_a_bounce_in_full() -> None:
    told = Told().bounced(message(envid="my+id"), failure(orcpt="rfc822;orig+x@other.test"))
    ((envelope, text),) = told.mail
    assert (envelope.sender, envelope.recipients, envelope.encoding) == (
        "",
        (Recipient("bob@example.test", "bob@example.test"),),
        "8bit",
    )
    boundary = f"{message().id}.1795555754/mail.example.test"
    date = re.search(r"Date: (.*)\r\n", text)
    assert date and re.fullmatch(r"\w{3}, [ \d]\d \w{3} 2026 \d\d:\d\d:\d\d [+-]\d{4} \(.+\)", date[1])
    assert text == "\r\n".join([
        f"Date: {date[1]}",
        "From: Mail Delivery System <MAILER-DAEMON>",
        "Subject: Undelivered Mail Returned to Sender",
        "To: bob@example.test",
        "Auto-Submitted: auto-replied",
        "MIME-Version: 1.0",
        "Content-Type: multipart/report; report-type=delivery-status;",
        f'\tboundary="{boundary}"',
        "Content-Transfer-Encoding: 8bit",
        "",
        "This is a MIME-encapsulated message.",
        "",
        f"--{boundary}",
        "Content-Description: Notification",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 8bit",
        "",
        "This is the mail system at host mail.example.test.",
        "",
        "I'm sorry to have to inform you that your message could not",
        "be delivered to one or more recipients. It's attached below.",
        "",
        "For further assistance, please send mail to postmaster.",
        "",
        "If you do so, please include this problem report. You can",
        "delete your own text from the attached returned message.",
        "",
        "                   The mail system",
        "",
        "<x@remote.test>: host 127.0.0.21[127.0.0.21] said: 550 5.1.1 nobody (in reply",
        "    to RCPT TO command)",
        "",
        f"--{boundary}",
        "Content-Description: Delivery report",
        "Content-Type: message/delivery-status",
        "",
        "Reporting-MTA: dns; mail.example.test",
        "Original-Envelope-Id: my+id",
        f"X-Postfix-Queue-ID: {message().id}",
        "X-Postfix-Sender: rfc822; bob@example.test",
        f"Arrival-Date: {date[1]}",
        "",
        "Final-Recipient: rfc822; x@remote.test",
        "Original-Recipient: rfc822;orig+x@other.test",
        "Action: failed",
        "Status: 5.1.1",
        "Remote-MTA: dns; 127.0.0.21",
        "Diagnostic-Code: smtp; 550 5.1.1 nobody",
        "",
        f"--{boundary}",
        "Content-Description: Undelivered Message",
        "Content-Type: message/rfc822",
        "Content-Transfer-Encoding: 8bit",
        "",
        "Return-Path: <bob@example.test>",
        "From: Bob <bob@example.test>",
        "Subject: the original",
        "Message-Id: <m1@b.test>",
        "",
        "body",
        "",
        f"--{boundary}--",
        "",
    ])  # fmt: skip
    assert told.events == [Notified("bounce", str(message().id), "sender non-delivery notification", str(QueueId(1, 0)))]


def test_expanded_recipients_say_from_what() -> None:
    unknown = Outcome(Class.PERMANENT, "5.1.1", 'unknown user: "ghost"')
    one = failure("ghost@mail.example.test", unknown, original="list@example.test")
    ((_, text),) = Told().bounced(message(), one).mail
    assert '<ghost@mail.example.test> (expanded from <list@example.test>): unknown user:\r\n    "ghost"\r\n' in text
    assert "Original-Recipient: rfc822;list@example.test\r\n" in text
    assert 'Diagnostic-Code: X-Postfix; unknown user: "ghost"\r\n' in text


@pytest.mark.parametrize(
    ("notify", "told"),
    [
        (Notify.DEFAULT, True),
        (Notify.FAILURE | Notify.SUCCESS, True),
        (Notify.NEVER, False),
        (Notify.SUCCESS, False),
        (Notify.DELAY, False),
    ],
)
def test_notify_decides_who_hears_of_a_failure(notify: Notify, told: bool) -> None:
    assert bool(Told().bounced(message(), failure(notify=notify)).mail) == told


def test_only_recipients_that_asked_are_reported() -> None:
    ((_, text),) = Told().bounced(message(), failure("a@x.test", notify=Notify.NEVER), failure("b@x.test")).mail
    assert "a@x.test" not in text
    assert "<b@x.test>" in text


def test_postmaster_gets_a_copy_whatever_notify_says() -> None:
    told = Told(notify_classes="bounce").bounced(message(), failure(notify=Notify.NEVER))
    assert told.routes == [("double-bounce@mail.example.test", "postmaster")]
    assert told.kinds == ["postmaster non-delivery notification"]
    text = told.mail[0][1]
    assert "Subject: Postmaster Copy: Undelivered Mail\r\n" in text
    assert "Auto-Submitted: auto-generated\r\n" in text
    assert "Transfer-Encoding: 8bit\r\n\r\n\r\n<x@remote.test>: host" in text
    assert "Content-Description: Undelivered Message Headers\r\nContent-Type: text/rfc822-headers" in text
    assert "body" not in text.rpartition("Return-Path")[2]


def test_sender_first_then_postmaster() -> None:
    told = Told(notify_classes="delay, bounce").bounced(message(), failure())
    assert told.kinds == ["sender non-delivery notification", "postmaster non-delivery notification"]


def test_with_verp_each_failure_comes_back_to_the_address_that_names_its_recipient() -> None:
    """Delays are told once, to the sender as he is; seen at Postfix 3.7.11."""
    late = [failure(to, action="delayed") for to in ("x@remote.test", "y@remote.test")]
    failed = [failure(to) for to in ("x@remote.test", "y@remote.test")]
    told = Told().bounced(message(verp="+="), *failed)
    assert told.routes == [("", "bob+x=remote.test@example.test"), ("", "bob+y=remote.test@example.test")]
    for (_, text), (mine, other) in zip(told.mail, ("xy", "yx"), strict=True):
        assert f"Final-Recipient: rfc822; {mine}@remote.test" in text
        assert f"Final-Recipient: rfc822; {other}@remote.test" not in text
        assert "X-Postfix-Sender: rfc822; bob@example.test" in text
    together = Told(disable_verp_bounces=True).bounced(message(verp="+="), *failed)
    assert together.routes == [("", "bob@example.test")]
    assert Told(delay_warning_time=1).delayed(message(verp="+="), *late).routes == [("", "bob@example.test")]


def test_mail_from_nobody_goes_to_the_postmaster_if_at_all() -> None:
    assert not Told(notify_classes="bounce").bounced(message(""), failure()).mail
    told = Told(notify_classes="2bounce").bounced(message(""), failure())
    assert told.routes == [("double-bounce@mail.example.test", "two")]
    assert told.kinds == ["postmaster non-delivery notification"]
    text = told.mail[0][1]
    assert "X-Postfix-Sender: rfc822; MAILER-DAEMON@mail.example.test\r\n" in text
    assert "Return-Path: <MAILER-DAEMON@mail.example.test>\r\n" in text
    assert "\r\n\r\nbody\r\n" in text


@pytest.mark.parametrize("sender", ["double-bounce@mail.example.test", "Double-Bounce@MAIL.example.test"])
def test_what_the_postmaster_cannot_get_is_dropped(sender: str) -> None:
    told = Told(notify_classes="bounce 2bounce delay").bounced(message(sender), failure())
    assert not told.mail
    text = "undeliverable postmaster notification discarded"
    assert told.events == [Note("bounce", text, "warning", str(message().id))]


def test_a_delay_warning() -> None:
    told = Told(delay_warning_time=1, notify_classes="delay")
    outcome = Outcome(Class.TEMPORARY, "4.2.1", "later", remote_mta="dns; mx", diagnostic="smtp; 450 4.2.1 later")
    told.delayed(message(ret="FULL"), failure(outcome=outcome, action="delayed"))
    assert told.routes == [("", "bob@example.test"), ("double-bounce@mail.example.test", "late")]
    assert told.kinds == ["sender delay notification", "postmaster delay notification"]
    text = told.mail[0][1]
    assert "Your message could not be delivered for more than 0 hour(s).\r\nIt will be retried until it is 5 day(s) old." in text
    assert re.search(r"Diagnostic-Code: smtp; 450 4.2.1 later\r\nWill-Retry-Until: \w{3}, 29 Nov 2026", text)
    assert "Content-Description: Undelivered Message Headers\r\n" in text
    assert "Subject: Postmaster Warning: Delayed Mail\r\n" in told.mail[1][1]
    assert [event.text for event in told.events if isinstance(event, Note)] == [
        '[built-in]: zero result in delay template conversion of parameter "delay_warning_time_hours"',
        'please reduce time unit "hours" of "delay_warning_time_hours" in delay template',
        "for instructions see the bounce(5) manual",
    ]


def test_success_says_how_it_went() -> None:
    told = Told()
    maildir = Outcome(Class.OK, "2.0.0", "delivered to maildir")
    virtual = Outcome(Class.OK, "2.0.0", "alias expanded")
    told.succeeded(
        message(ret="FULL"),
        failure("alice@example.test", maildir, "delivered", "local", notify=Notify.SUCCESS),
        failure("info@example.test", virtual, "expanded", notify=Notify.SUCCESS),
    )
    assert told.kinds == ["sender delivery status notification"]
    text = told.mail[0][1]
    assert "<alice@example.test>: delivery via local: delivered to maildir\r\n" in text
    assert "Action: delivered\r\nStatus: 2.0.0\r\nDiagnostic-Code: X-Postfix; delivery via local: delivered to maildir\r\n" in text
    assert "<info@example.test>: alias expanded\r\n" in text
    assert "Content-Description: Message Headers\r\nContent-Type: text/rfc822-headers\r\n" in text


def test_a_trace_tells_of_everybody_and_by_which_relay() -> None:
    told = Told().traced(
        message(),
        failure("alice@example.test", Outcome(Class.OK, "2.0.0", "delivers to maildir"), "deliverable", "local"),
        failure(action="undeliverable", relay="127.0.0.21[127.0.0.21]:2526", notify=Notify.NEVER),
        failure("z@other.test", Outcome(Class.TEMPORARY, "4.4.1", "connect to z: Connection refused"), "undeliverable"),
    )
    assert told.kinds == ["sender delivery status notification"]
    text = told.mail[0][1].replace("\r\n", "\n")
    assert "Subject: Mail Delivery Status Report\n" in text
    assert "\n\nEnclosed is the mail delivery report that you requested.\n\n                   The mail system\n\n" in text
    assert "<alice@example.test>: delivery via local: delivers to maildir\n\n" in text
    assert "<x@remote.test>: delivery via 127.0.0.21[127.0.0.21]:2526: host\n    127.0.0.21[127.0.0.21] said: 550" in text
    assert "<z@other.test>: connect to z: Connection refused\n\n" in text
    assert "Action: deliverable\nStatus: 2.0.0\nDiagnostic-Code: X-Postfix; delivery via local: delivers to maildir\n" in text
    assert "Action: undeliverable\nStatus: 5.1.1\nRemote-MTA: dns; 127.0.0.21\nDiagnostic-Code: smtp; 550 5.1.1 nobody\n" in text
    assert "Content-Description: Message Headers\nContent-Type: text/rfc822-headers\n" in text


@pytest.mark.parametrize(
    ("sender", "classes", "routes", "which"),
    [
        ("", "bounce", [], "single"),
        ("", "2bounce", [("double-bounce@mail.example.test", "two")], ""),
        ("double-bounce@mail.example.test", "2bounce", [], "double"),
    ],
)
def test_success_of_notices(sender: str, classes: str, routes: list[tuple[str, str]], which: str) -> None:
    told = Told(notify_classes=classes).succeeded(message(sender), failure(notify=Notify.SUCCESS, action="delivered"))
    assert told.routes == routes
    if which:
        text = f"not sending trace/success notification for {which}-bounce message"
        assert told.events == [Note("bounce", text, queue_id=str(message().id))]


@pytest.mark.parametrize(
    ("changes", "whole"),
    [({}, True), ({"ret": "HDRS"}, False), ({"ret": "FULL"}, True), ({"size": 50_001}, False), ({"size": 50_000}, True)],
)
def test_how_much_of_the_original_returns(changes: dict[str, Any], whole: bool) -> None:
    ((_, text),) = Told().bounced(message(**changes), failure()).mail
    assert ("\r\n\r\nbody\r\n" in text) == whole
    assert ("Content-Type: message/rfc822\r\n" in text) == whole


def test_smtputf8_mail_is_reported_in_utf8() -> None:
    ((envelope, text),) = Told().bounced(message(smtputf8=True), failure("üser@remote.test")).mail
    assert envelope.smtputf8
    assert "Content-Type: message/global-delivery-status\r\nContent-Transfer-Encoding: 8bit\r\n" in text
    assert "Final-Recipient: utf-8; üser@remote.test\r\nOriginal-Recipient: rfc822;üser@remote.test\r\n" in text
    assert "Content-Type: message/global\r\n" in text
    ((_, text),) = Told().bounced(message(smtputf8=True, ret="HDRS"), failure()).mail
    assert "Content-Type: message/global-headers\r\n" in text
    assert "Final-Recipient: rfc822; x@remote.test\r\n" in text


@pytest.mark.parametrize(("encoding", "head", "parts"), [("7bit", 1, 0), ("8bit", 1, 2), ("", 0, 0)])
def test_without_smtputf8_the_encoding_is_that_of_the_original(encoding: str, head: int, parts: int) -> None:
    told = Told(smtputf8_enable=False).bounced(message(encoding=encoding), failure())
    ((envelope, text),) = told.mail
    assert envelope.encoding == encoding
    first, _, rest = text.partition("\r\n\r\n")
    assert first.count("Content-Transfer-Encoding") == head
    assert rest.count("Content-Transfer-Encoding") == parts
    assert "charset=us-ascii" in text


def test_threaded_notices_answer_the_original() -> None:
    ((_, text),) = Told(enable_threaded_bounces=True).bounced(message(), failure()).mail
    assert "To: bob@example.test\r\nReferences: <m1@b.test>\r\nIn-Reply-To: <m1@b.test>\r\nAuto-Submitted:" in text


def test_the_from_header_of_old() -> None:
    ((_, text),) = Told(header_from_format="obsolete").bounced(message(), failure()).mail
    assert "From: MAILER-DAEMON (Mail Delivery System)\r\n" in text


def test_an_original_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "1"
    file.write_bytes(b"junk" + ORIGINAL + b"x" * 100_000)
    content = FileContent(file, len(ORIGINAL) + 100_000, 4)
    ((_, text),) = Told().bounced(message(content=content, size=100_300), failure()).mail
    assert text.partition("Return-Path: <bob@example.test>\r\n")[2].startswith("From: Bob <bob@example.test>\r\nSubject:")
    assert len(text) < 5000


def test_names_of_hosts_are_written_for_people() -> None:
    assert unicode_domain("xn--bcher-kva.example") == "bücher.example"
    assert unicode_domain("xn--\u00e9.mail.example") == "xn--\u00e9.mail.example"


TEMPLATE = """# a comment

failure_template = <<EOF
Charset: us-ascii
From: NOMAIL (System at $myhostname)
Subject: Could not deliver
Postmaster-Subject: Copy: could not deliver

This is $myhostname of $mydomain.
After $maximal_queue_lifetime_days days.
EOF
verify_template = <<END
Subject: verified

text
END
"""


def test_a_template_file(tmp_path: Path) -> None:
    file = tmp_path / "bounce.cf"
    file.write_text(TEMPLATE)
    told = Told(bounce_template_file=str(file)).bounced(message(), failure())
    text = told.mail[0][1]
    assert "From: NOMAIL (System at $myhostname)\r\nSubject: Could not deliver\r\n" in text
    assert "8bit\r\n\r\nThis is mail.example.test of example.test.\r\nAfter 5 days.\r\n\r\n<x@remote.test>" in text


def test_a_bad_template_file_costs_no_notice(tmp_path: Path) -> None:
    told = Told(bounce_template_file=str(tmp_path / "missing")).bounced(message(), failure())
    assert told.mail
    assert isinstance(told.events[0], Note) and "using built-in templates" in told.events[0].text


@pytest.mark.parametrize(
    ("text", "warned"),
    [
        ("failure_template = <<EOF\nSubject: x\n", "no 'EOF'"),
        ("other_template = <<EOF\nEOF\n", "expecting one of"),
        ("failure_template = <<EOF\nX-Header: x\n\ntext\nEOF\n", "bad header: X-Header: x"),
        ("failure_template = <<EOF\nSubject: ü\n\ntext\nEOF\n", "bad header"),
        ("failure_template = <<EOF\nSubject: x\n\ntüxt\nEOF\n", "needs a Charset"),
    ],
)
def test_what_is_wrong_with_a_template_file(text: str, warned: str) -> None:
    warnings: list[str] = []
    parse(text, "bounce.cf", warnings.append)
    assert any(warned in warning for warning in warnings)


def test_times_that_their_unit_makes_useless() -> None:
    template = replace(BUILT_IN["failure"], text="$maximal_queue_lifetime_seconds $delay_warning_time_hours\n")
    warnings: list[str] = []
    times = {"maximal_queue_lifetime": 432_000, "delay_warning_time": 0}
    assert expanded(template, times, {}, expand, warnings.append) == "432000 0\n"
    assert warnings[0].startswith('[built-in]: excessive result "432000" in failure template conversion')
    assert len(warnings) == 3


def test_a_header_ends_where_the_body_begins() -> None:
    assert header_of(MemoryContent(b"A: b\r\n c\r\nD : e\r\nnot a header\r\nF: g\r\n")) == b"A: b\r\n c\r\nD : e\r\n"
    assert header_of(MemoryContent(b"\r\nbody\r\n")) == b""
    assert header_of(MemoryContent(b"A: b")) == b"A: b"


@given(st.text())
def test_folding_never_loses_a_word_nor_makes_a_line(text: str) -> None:
    lines = list(wrap(text))
    assert all(line.strip() and (len(to_bytes(line)) <= LINE_LENGTH or " " not in line.strip()) for line in lines)
    assert all(line.isprintable() for line in lines)
    assert all(line.startswith("    ") for line in lines[1:])


def _words(lines: Sequence[str]) -> list[str]:
    return " ".join(lines).split()


@given(st.lists(st.text("abü<>.", min_size=1, max_size=30)))
def test_folding_keeps_the_words(words: list[str]) -> None:
    assert _words(list(wrap(" ".join(words)))) == words
