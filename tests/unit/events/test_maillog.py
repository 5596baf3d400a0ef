"""The log's words, against lines that Postfix 3.7 wrote."""

import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.events import maillog, notes
from gatepost.events.maillog import LineForm, Stamp, printable, seconds, seconds_with, words
from gatepost.events.records import (
    Accepted,
    Activated,
    Connected,
    Delivered,
    Disconnected,
    DnsListed,
    Event,
    Filtered,
    HungUp,
    Judged,
    LinesLost,
    MessageId,
    Note,
    Notified,
    Permitted,
    PickedUp,
    Removed,
    RuleBroken,
    Screened,
    ScreeningBegan,
    SessionLost,
    SpokeEarly,
)
from gatepost.mail.address import AS_LOGGED
from gatepost.mail.reason import Reason

Q = "4jYwtL6XwgzJLgk"
CLIENT = "client2.client.test[127.0.0.2]"
ZOMBIE = "[127.0.1.5]:4711"
FROM_TO = "from=<sender@client.test> to=<alice@example.test> proto=ESMTP helo=<client2.client.test>"
SINK = "127.0.0.21[127.0.0.21]:2526"
NOBODY = "host 127.0.0.21[127.0.0.21] said: 550 5.1.1 nobody (in reply to RCPT TO command)"
DELAYS = (0.02, 0.01, 0.0, 0.0)


def delivered(
    program: str = "local",
    recipient: str = "bob@example.test",
    original: str = "",
    relay: str = "local",
    dsn: str = "2.0.0",
    status: str = "sent",
    text: str = "delivered to maildir",
    conn_use: int = 0,
) -> Delivered:
    return Delivered(program, Q, recipient, original, relay, 0.03, DELAYS, dsn, status, text, conn_use)


LINES: list[tuple[Event, str]] = [
    (Connected("smtpd", "localhost[127.0.0.1]"), "connect from localhost[127.0.0.1]"),
    (ScreeningBegan("postscreen", ZOMBIE, "[127.0.0.1]:25"), f"CONNECT from {ZOMBIE} to [127.0.0.1]:25"),
    (Screened("postscreen", "PASS NEW", ZOMBIE), f"PASS NEW {ZOMBIE}"),
    (SpokeEarly("postscreen", ZOMBIE, 20, 0.041, r"EHLO early\r\n"), rf"PREGREET 20 after 0.04 from {ZOMBIE}: EHLO early\r\n"),
    (DnsListed("postscreen", ZOMBIE, 3), f"DNSBL rank 3 for {ZOMBIE}"),
    (RuleBroken("postscreen", "BARE NEWLINE", ZOMBIE, "EHLO a"), f"BARE NEWLINE from {ZOMBIE} after EHLO a"),
    (RuleBroken("postscreen", "NON-SMTP COMMAND", ZOMBIE, "EHLO", "GET /"), f"NON-SMTP COMMAND from {ZOMBIE} after EHLO: GET /"),
    (HungUp("postscreen", ZOMBIE, 0.0, "before SMTP handshake"), f"HANGUP after 0 from {ZOMBIE} in tests before SMTP handshake"),
    (
        Disconnected("smtpd", CLIENT, (("ehlo", 1, 1), ("mail", 1, 1), ("rcpt", 0, 1), ("quit", 1, 1))),
        f"disconnect from {CLIENT} ehlo=1 mail=1 rcpt=0/1 quit=1 commands=3/4",
    ),
    (Disconnected("smtpd", CLIENT, (("unknown", 0, 1),)), f"disconnect from {CLIENT} unknown=0/1 commands=0/1"),
    (Disconnected("smtpd", CLIENT, ()), f"disconnect from {CLIENT} commands=0/0"),
    (SessionLost("smtpd", "lost connection", "DATA (12 bytes)", CLIENT), f"lost connection after DATA (12 bytes) from {CLIENT}"),
    (SessionLost("smtpd", "too many errors", "AUTH", CLIENT), f"too many errors after AUTH from {CLIENT}"),
    (Accepted("smtpd", Q, CLIENT), f"{Q}: client={CLIENT}"),
    (
        Accepted("smtpd", Q, CLIENT, "PLAIN", "alice", "joe@client.test"),
        f"{Q}: client={CLIENT}, sasl_method=PLAIN, sasl_username=alice, sasl_sender=joe@client.test",
    ),
    (
        Accepted("smtpd", Q, CLIENT, orig_queue_id="ABCDEF", orig_client="orig.test[192.0.2.9]"),
        f"{Q}: client={CLIENT}, orig_queue_id=ABCDEF, orig_client=orig.test[192.0.2.9]",
    ),
    (
        Judged("smtpd", "", "reject", "RCPT", CLIENT, "454 4.7.1 <x@remote.test>: Relay access denied", FROM_TO),
        f"NOQUEUE: reject: RCPT from {CLIENT}: 454 4.7.1 <x@remote.test>: Relay access denied; {FROM_TO}",
    ),
    (
        Judged("smtpd", Q, "reject", "END-OF-MESSAGE", CLIENT, "bare <LF> received", FROM_TO),
        f"{Q}: reject: END-OF-MESSAGE from {CLIENT}: bare <LF> received; {FROM_TO}",
    ),
    (
        Judged("smtpd", "", "hold", "RCPT", CLIENT, "<alice@example.test>: Recipient address for review", FROM_TO),
        f"NOQUEUE: hold: RCPT from {CLIENT}: <alice@example.test>: Recipient address for review; {FROM_TO}",
    ),
    (
        Judged("cleanup", Q, "reject", "header Subject: bad thing", CLIENT, "5.7.9 coded text", FROM_TO),
        f"{Q}: reject: header Subject: bad thing from {CLIENT}; {FROM_TO}: 5.7.9 coded text",
    ),
    (
        Judged("cleanup", Q, "discard", "header Subject: bad thing", CLIENT, "", FROM_TO),
        f"{Q}: discard: header Subject: bad thing from {CLIENT}; {FROM_TO}",
    ),
    (
        Judged("cleanup", Q, "replace", "header X-Long: one? two", CLIENT, "X-Short: one", FROM_TO),
        f"{Q}: replace: header X-Long: one? two from {CLIENT}; {FROM_TO}: X-Short: one",
    ),
    (MessageId("cleanup", Q, "<id1@client.test>"), f"{Q}: message-id=<id1@client.test>"),
    (MessageId("cleanup", Q, "<id2@client.test>", True), f"{Q}: resent-message-id=<id2@client.test>"),
    (PickedUp("pickup", Q, 2002, "bob"), f"{Q}: uid=2002 from=<bob>"),
    (PickedUp("pickup", Q, 102, "bob@b.test", "ABCDEF"), f"{Q}: uid=102 from=<bob@b.test> orig_id=ABCDEF"),
    (Activated("qmgr", Q, "", 2545, 1), f"{Q}: from=<>, size=2545, nrcpt=1 (queue active)"),
    (Activated("qmgr", Q, "a b@x.test", 5, 2), f'{Q}: from=<"a b"@x.test>, size=5, nrcpt=2 (queue active)'),
    (
        delivered(),
        f"{Q}: to=<bob@example.test>, relay=local, delay=0.03, delays=0.02/0.01/0/0, dsn=2.0.0, status=sent (delivered to maildir)",
    ),
    (
        delivered(recipient="root@mail.example.test", original="postmaster"),
        f"{Q}: to=<root@mail.example.test>, orig_to=<postmaster>, relay=local, delay=0.03, delays=0.02/0.01/0/0, dsn=2.0.0,"
        " status=sent (delivered to maildir)",
    ),
    (
        delivered("smtp", "üser@remote.test", "üser@remote.test", SINK, "5.1.1", "bounced", NOBODY),
        f"{Q}: to=<üser@remote.test>, relay={SINK}, delay=0.03, delays=0.02/0.01/0/0, dsn=5.1.1, status=bounced ({NOBODY})",
    ),
    (
        delivered("smtp", "x@remote.test", "", SINK, text="250 2.0.0 stored", conn_use=2),
        f"{Q}: to=<x@remote.test>, relay={SINK}, conn_use=2, delay=0.03, delays=0.02/0.01/0/0, dsn=2.0.0,"
        " status=sent (250 2.0.0 stored)",
    ),
    (
        delivered("smtp", "x@remote.test", "", SINK, "4.1.1", "SOFTBOUNCE", NOBODY, conn_use=1),
        f"{Q}: to=<x@remote.test>, relay={SINK}, delay=0.03, delays=0.02/0.01/0/0, dsn=4.1.1, status=SOFTBOUNCE ({NOBODY})",
    ),
    (Removed("qmgr", Q), f"{Q}: removed"),
    (Notified("bounce", Q, "sender non-delivery notification", "4jYx"), f"{Q}: sender non-delivery notification: 4jYx"),
    (Note("smtp", "connect to 127.0.0.29[127.0.0.29]:2599: Connection refused"),
     "connect to 127.0.0.29[127.0.0.29]:2599: Connection refused"),
    (notes.LoginFailed("smtpd", CLIENT, "PLAIN", "(reason unavailable)", "alice"),
     f"warning: {CLIENT}: SASL PLAIN authentication failed: (reason unavailable), sasl_username=alice"),
    (notes.LoginAborted("smtpd", CLIENT, "LOGIN"), f"warning: {CLIENT}: SASL LOGIN authentication aborted"),
    (notes.HopcountExceeded("cleanup", Q), f"warning: {Q}: message rejected: hopcount exceeded"),
    (notes.MessageTooLarge("cleanup", Q), f"warning: {Q}: queue file size limit exceeded"),
    (notes.ProxyAnswered("smtpd", "reject", "END-OF-MESSAGE", "550 5.7.1 no", "from=<a@b> proto=ESMTP"),
     "proxy-reject: END-OF-MESSAGE: 550 5.7.1 no; from=<a@b> proto=ESMTP"),
    (notes.CheckUnusable("cleanup", "header_checks", "unknown command in header_checks map: X"),
     "warning: unknown command in header_checks map: X"),
    (notes.ClientUnverified("smtpd", "hostname a.test does not resolve to address 192.0.2.1", "a.test", "192.0.2.1"),
     "warning: hostname a.test does not resolve to address 192.0.2.1"),
    (notes.LimitExceeded("smtpd", "Connection rate limit", 9, CLIENT, "smtp"),
     f"warning: Connection rate limit exceeded: 9 from {CLIENT} for service smtp"),
    (notes.IllegalAddress("smtpd", CLIENT, "MAIL", "<a@{b}>"),
     f"warning: Illegal address syntax from {CLIENT} in MAIL command: <a@{{b}}>"),
    (notes.NotSmtp("smtpd", CLIENT, "GET / HTTP/1.0"), f"warning: non-SMTP command from {CLIENT}: GET / HTTP/1.0"),
    (notes.RequestTooLong("smtpd", CLIENT, 2048, "NOOP xxx"), f"warning: {CLIENT}: request longer than 2048: NOOP xxx..."),
    (notes.CommandReplaced("smtpd", CLIENT, "HELO x", "EHLO x"), f'{CLIENT}: replacing command "HELO x" with "EHLO x"'),
    (notes.ImproperPipelining("smtpd", "EHLO", CLIENT, "MAIL"), f"improper command pipelining after EHLO from {CLIENT}: MAIL"),
    (notes.KeywordsDiscarded("smtpd", "CHUNKING"), "discarding EHLO keywords: CHUNKING"),
    (notes.TlsEstablished("smtp", "Trusted", "to", SINK, "TLSv1.3 with cipher X (256/256 bits)"),
     f"Trusted TLS connection established to {SINK}: TLSv1.3 with cipher X (256/256 bits)"),
    (notes.TlsFailed("smtpd", "SSL_accept", "from", CLIENT, "lost connection"), f"SSL_accept error from {CLIENT}: lost connection"),
    (notes.Expired("qmgr", "a@b.test", "expired", Q), f"{Q}: from=<a@b.test>, status=expired, returned to sender"),
    (notes.NoticeNotSent("qmgr", "no space", Q), f"warning: {Q}: notice not sent: no space"),
    (notes.PartitionFailed("qmgr", 3, "disk I/O error"), "warning: queue partition 3: disk I/O error"),
    (notes.TransportUnknown("qmgr", "x"), "warning: mail transport x is not known"),
    (notes.HostFailed("smtp", "connect to mx[mx]:25: Connection refused"), "connect to mx[mx]:25: Connection refused"),
    (notes.LineBroken("smtp", 998, Q), f"{Q}: breaking line > 998 bytes with <CR><LF>SPACE"),
    (notes.PassedOn("local", "a@b.test", "lmtp", queue_id=Q), f"{Q}: passing <a@b.test> to transport=lmtp"),
    (notes.LocalAliasLoop("local", "a"), "warning: alias database loop for a"),
    (notes.AccountUnknown("local", "bob", "no answer"), "warning: error looking up passwd info for bob: no answer"),
    (Permitted("smtpd", Q, CLIENT, "s@a.test", "u@b.test", Reason("permit_mynetworks")), ""),
    (
        Filtered("filter", Q, "Blocked", "INFECTED", ("Eicar-Test-Signature",), ("RejectedInbound",), "[192.0.2.1]", "s@a.test",
                 ("u@b.test", "v@b.test"), None, (), 213, 0.0831, "<x@a.test>"),
        f"{Q}: Blocked INFECTED (Eicar-Test-Signature) {{RejectedInbound}}, [192.0.2.1] <s@a.test> -> <u@b.test>,<v@b.test>,"
        " Message-ID: <x@a.test>, Hits: -, size: 213, 83 ms",
    ),
    (
        Filtered("filter", Q, "Passed", "SPAMMY", (), ("RelayedTaggedInbound", "RelayedOutbound"), "", "", ("u@b.test",), 7.994,
                 (("MISSING_DATE", 2.739), ("NO_RELAYS", -0.001)), 44, 0.115, quarantined="spam-1"),
        f"{Q}: Passed SPAMMY {{RelayedTaggedInbound,RelayedOutbound}}, <> -> <u@b.test>, quarantine: spam-1, Hits: 7.994,"
        " Tests: [MISSING_DATE=2.739,NO_RELAYS=-0.001], size: 44, 115 ms",
    ),
    (Judged("smtp", Q, "strip", "header X-Secret: 1", "", ""), f"{Q}: strip: header X-Secret: 1"),
    (Judged("smtp", Q, "warning", "header X-Secret: 1", "", "look"), f"{Q}: warning: header X-Secret: 1: look"),
    (LinesLost("", "/dev/stdout", 12, "nobody reads it"), "warning: 12 log lines lost: /dev/stdout: nobody reads it"),
    (Note("postsuper", "placed on hold", queue_id=Q), f"{Q}: placed on hold"),
]  # fmt: skip


@pytest.mark.parametrize(("event", "line"), LINES, ids=[f"{type(event).__name__}-{n}" for n, (event, _) in enumerate(LINES)])
def test_a_line_as_postfix_writes_it(event: Event, line: str) -> None:
    assert words(event) == line


def test_every_record_has_words_and_an_example() -> None:
    records = {*Event.__subclasses__(), *notes.NoteOfFields.__subclasses__()} - {notes.NoteOfFields}
    assert set(maillog._WORDS) == records
    assert {type(event) for event, _ in LINES} == records
    assert len(notes.NoteOfFields.__subclasses__()) >= 20


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.004, "0"),
        (0.006, "0.01"),
        (0.05, "0.05"),
        (0.3, "0.3"),
        (0.996, "1"),
        (1.1, "1.1"),
        (2.04, "2"),
        (9.96, "10"),
        (10, "10"),
        (12.3, "12"),
        (100, "100"),
        (432_000.4, "432000"),
    ],
)
def test_a_delay_has_two_digits(value: float, text: str) -> None:
    assert seconds(value) == text


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (0.4, 0, "0"),
        (0.6, 0, "1"),
        (7.4, 0, "7"),
        (0.27, 1, "0.3"),
        (3.14, 1, "3.1"),
        (0.0123, 3, "0.012"),
        (0.123, 3, "0.12"),
        (0.0004, 3, "0"),
        (0.000_123_4, 6, "0.00012"),
        (0.000_002, 6, "0.000002"),
        (0.5, 6, "0.5"),
        (3.14, 6, "3.1"),
    ],
)
def test_a_delay_has_no_more_decimals_than_are_wanted(value: float, decimals: int, text: str) -> None:
    """delay_logging_resolution_limit; these are format_tv's answers in Postfix."""
    assert seconds_with(decimals)(value) == text


def test_addresses_are_written_as_is_wanted() -> None:
    """info_log_address_format."""
    event = Activated("qmgr", "QID", "a b@c.test", 5, 1)
    for name, text in (("external", '"a b"@c.test'), ("internal", "a b@c.test")):
        assert words(event, LineForm(written=AS_LOGGED[name])) == f"QID: from=<{text}>, size=5, nrcpt=1 (queue active)"


def hostile() -> st.SearchStrategy[str]:
    return st.text(st.one_of(st.characters(), st.sampled_from("\r\n\0\x1b\u2028\u202e\x85\udcff")))


@given(hostile(), hostile(), hostile())
def test_nobody_writes_a_line_of_their_own(one: str, two: str, three: str) -> None:
    events: list[Event] = [
        Connected("smtpd", one),
        Disconnected("smtpd", one, ((two, 0, 1),)),
        SessionLost("smtpd", one, two, three),
        Accepted("smtpd", Q, one, two, three, one, two, three),
        Judged("smtpd", Q, "reject", one, CLIENT, two, three),
        Judged("cleanup", Q, "reject", one, CLIENT, two, three),
        MessageId("cleanup", Q, one),
        PickedUp("pickup", Q, 0, one),
        Activated("qmgr", Q, one, 1, 1),
        delivered(recipient=one, original=two, text=three),
        Notified("bounce", Q, one, two),
        Note("smtpd", one, queue_id=two),
    ]
    for event in events:
        line = words(event)
        assert line.isprintable()
        assert len(f"{line}\n".splitlines()) == 1
        line.encode()  # no surrogates: the log is UTF-8


def test_what_is_not_printable_is_a_question_mark() -> None:
    assert printable("a\r\nb\udcffc\u2028ü") == "a??b?c?ü"


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_a_line_begins_with_time_and_host(utc: None) -> None:
    stamp = Stamp("mail")
    assert stamp.at(1_741_737_600.9) == "Mar 12 00:00:00 mail"
    assert stamp.at(1_741_046_401.0) == "Mar  4 00:00:01 mail"
