"""Conversations of the SMTP/LMTP client core: whole, octet by octet, and cut anywhere."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.proto.smtp.client import Client, ClientEvent, ClientStage, Dialect, Transaction
from gatepost.proto.smtp.reply_reader import MalformedReply

EHLO = b"250-mx.test\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250 DSN\r\n"
MAIL = b"MAIL FROM:<a@b.test>\r\n"


def rcpt(*names: str) -> list[bytes]:
    return [f"RCPT TO:<{name}>\r\n".encode() for name in names]


def ready(*, lmtp: bool = False, ehlo: bytes = EHLO) -> Client:
    """A client that has said hello."""
    client = Client(Dialect("me.test", lmtp))
    assert client.receive(b"220 mx.test ESMTP\r\n") is ClientEvent.WAIT
    assert client.take() == (b"LHLO me.test\r\n" if lmtp else b"EHLO me.test\r\n")
    assert client.receive(ehlo) is ClientEvent.READY
    assert client.stage is ClientStage.IDLE
    return client


def decided(transaction: Transaction) -> list[tuple[ClientStage, int] | None]:
    return [answer and (answer.stage, answer.reply.code) for answer in transaction.answers]


def test_pipelined_transaction() -> None:
    client = ready()
    transaction = Transaction(MAIL, rcpt("x", "y"))
    client.begin(transaction)
    assert client.take() == MAIL + b"RCPT TO:<x>\r\nRCPT TO:<y>\r\nDATA\r\n"
    assert client.stage is ClientStage.MAIL
    assert client.receive(b"250 ok\r\n250 ok\r\n550 5.1.1 no\r\n") is ClientEvent.WAIT
    assert client.stage is ClientStage.DATA
    assert client.receive(b"354 go\r\n") is ClientEvent.CONTENT
    assert client.content_sent() is ClientEvent.WAIT
    assert client.stage is ClientStage.DOT
    assert client.receive(b"250 2.0.0 queued\r\n") is ClientEvent.FINISHED
    assert decided(transaction) == [(ClientStage.DOT, 250), (ClientStage.RCPT, 550)]
    assert client.usable


def test_one_command_at_a_time_without_pipelining() -> None:
    client = ready(ehlo=b"250 mx.test\r\n")
    transaction = Transaction(MAIL, rcpt("x"))
    client.begin(transaction)
    sent = [client.take()]
    for reply in (b"250 ok\r\n", b"250 ok\r\n"):
        assert client.receive(reply) is ClientEvent.WAIT
        sent.append(client.take())
    assert sent == [MAIL, b"RCPT TO:<x>\r\n", b"DATA\r\n"]
    assert client.receive(b"354 go\r\n") is ClientEvent.CONTENT


@pytest.mark.parametrize(
    ("replies", "commands", "outcome"),
    [
        ([b"553 no"], [MAIL, b"RSET\r\n"], (ClientStage.MAIL, 553)),
        ([b"250 ok", b"550 no"], [MAIL, b"RCPT TO:<x>\r\n", b"RSET\r\n"], (ClientStage.RCPT, 550)),
        ([b"250 ok", b"250 ok", b"451 no"], [MAIL, b"RCPT TO:<x>\r\n", b"DATA\r\n", b"RSET\r\n"], (ClientStage.DATA, 451)),
    ],
)
def test_nobody_left_ends_in_rset(replies: list[bytes], commands: list[bytes], outcome: tuple[ClientStage, int]) -> None:
    client = ready(ehlo=b"250 mx.test\r\n")
    transaction = Transaction(MAIL, rcpt("x"))
    client.begin(transaction)
    sent = [client.take()]
    for reply in replies:
        assert client.receive(reply + b"\r\n") is ClientEvent.WAIT
        sent.append(client.take())
    assert sent == commands
    assert client.receive(b"250 ok\r\n") is ClientEvent.FINISHED
    assert decided(transaction) == [outcome]
    assert client.usable


def test_server_that_wants_content_though_it_refused_the_sender() -> None:
    client = ready()
    transaction = Transaction(MAIL, rcpt("x"))
    client.begin(transaction)
    client.take()
    assert client.receive(b"553 5.1.8 no\r\n250 ok\r\n354 go\r\n") is ClientEvent.WAIT
    assert client.take() == b".\r\n"
    assert client.receive(b"250 what was that\r\n") is ClientEvent.FINISHED
    assert decided(transaction) == [(ClientStage.MAIL, 553)]


def test_lmtp_has_a_reply_for_each_accepted_recipient() -> None:
    client = ready(lmtp=True)
    transaction = Transaction(MAIL, rcpt("x", "y", "z"))
    client.begin(transaction)
    client.take()
    assert client.receive(b"250 ok\r\n250 ok\r\n550 no\r\n250 ok\r\n354 go\r\n") is ClientEvent.CONTENT
    client.content_sent()
    assert client.receive(b"250 ok\r\n") is ClientEvent.WAIT
    assert client.receive(b"452 4.2.2 full\r\n") is ClientEvent.FINISHED
    assert decided(transaction) == [(ClientStage.DOT, 250), (ClientStage.RCPT, 550), (ClientStage.DOT, 452)]


def test_a_probe_may_ask_for_the_reply_to_data_and_sends_nothing_after_it() -> None:
    client = ready()
    transaction = Transaction(MAIL, rcpt("x", "y"), probe=ClientStage.DATA)
    client.begin(transaction)
    assert client.take().endswith(b"RCPT TO:<y>\r\nDATA\r\n")
    assert client.receive(b"250 ok\r\n550 5.1.1 no\r\n250 2.1.5 ok\r\n354 go\r\n") is ClientEvent.FINISHED
    assert decided(transaction) == [(ClientStage.RCPT, 550), (ClientStage.DATA, 354)]
    assert client.take() == b""
    assert not client.usable
    assert client.stage is ClientStage.CONTENT, "QUIT would be a line of the message"


def test_a_probe_whose_recipients_are_all_refused_sends_no_empty_message() -> None:
    client = ready()
    transaction = Transaction(MAIL, rcpt("x"), probe=ClientStage.DATA)
    client.begin(transaction)
    client.take()
    assert client.receive(b"250 ok\r\n550 5.1.1 no\r\n354 go\r\n") is ClientEvent.FINISHED
    assert client.take() == b""
    assert decided(transaction) == [(ClientStage.RCPT, 550)]


def test_probe_ends_before_data() -> None:
    client = ready()
    transaction = Transaction(MAIL, rcpt("x"), probe=ClientStage.RCPT)
    client.begin(transaction)
    assert client.take().endswith(b"RCPT TO:<x>\r\nRSET\r\n")
    assert client.receive(b"250 ok\r\n250 2.1.5 ok\r\n250 ok\r\n") is ClientEvent.FINISHED
    assert decided(transaction) == [(ClientStage.RCPT, 250)]


def test_reply_in_the_middle_of_the_content_is_the_one_to_the_dot() -> None:
    client = ready()
    transaction = Transaction(MAIL, rcpt("x"))
    client.begin(transaction)
    client.take()
    client.receive(b"250 ok\r\n250 ok\r\n354 go\r\n")
    assert client.receive(b"552 too big\r\n") is ClientEvent.WAIT
    assert client.content_sent() is ClientEvent.FINISHED
    assert decided(transaction) == [(ClientStage.DOT, 552)]


def test_helo_where_ehlo_is_refused() -> None:
    client = Client(Dialect("me.test"))
    client.receive(b"220 hi\r\n")
    assert client.take() == b"EHLO me.test\r\n"
    assert client.receive(b"502 what\r\n") is ClientEvent.WAIT
    assert client.take() == b"HELO me.test\r\n"
    assert client.receive(b"250 hi\r\n") is ClientEvent.READY
    assert not client.offered.keywords


@pytest.mark.parametrize(
    ("policy", "banner", "said"),
    [
        ("always", b"220 x\r\n", b"EHLO me\r\n"),
        ("never", b"220 x ESMTP\r\n", b"HELO me\r\n"),
        ("offered", b"220 x SMTP\r\n", b"HELO me\r\n"),
        ("offered", b"220 x ESMTP\r\n", b"EHLO me\r\n"),
    ],
)
def test_which_hello(policy: str, banner: bytes, said: bytes) -> None:
    client = Client(Dialect("me", ehlo=policy))
    client.receive(banner)
    assert client.take() == said


@pytest.mark.parametrize("banner", [b"554 go away\r\n", b"421 later\r\n", b"354 what\r\n"])
def test_unwelcome(banner: bytes) -> None:
    client = Client(Dialect("me"))
    assert client.receive(banner) is ClientEvent.REFUSED
    assert client.refusal is not None
    assert not client.greeted
    assert not client.usable


def test_anything_after_the_reply_to_starttls_is_an_attack() -> None:
    client = ready(ehlo=b"250-mx\r\n250 STARTTLS\r\n")
    client.start_tls()
    assert client.take() == b"STARTTLS\r\n"
    assert client.receive(b"220 go\r\n250 injected\r\n") is ClientEvent.TLS
    with pytest.raises(MalformedReply):
        client.secured()
    client = ready(ehlo=b"250-mx\r\n250 STARTTLS\r\n")
    client.start_tls()
    assert client.receive(b"220 go\r\n250 half a repl") is ClientEvent.TLS
    with pytest.raises(MalformedReply):
        client.secured()


@pytest.mark.parametrize("octets", [b"220 evil ESMTP\r\n", b"554 go away\r\n", b"22", b"220 evil\r\n250 evil\r\n"])
def test_anything_before_tls_from_the_start_is_an_attack(octets: bytes) -> None:
    client = Client(Dialect("me.test"))
    client.secured()
    client.receive(octets)
    with pytest.raises(MalformedReply):
        client.secured()


def test_server_that_speaks_while_idle_is_not_used_again() -> None:
    client = ready()
    assert client.receive(b"421 idle too long\r\n") is ClientEvent.WAIT
    assert not client.usable


def test_discarded_keywords() -> None:
    client = Client(Dialect("me", discard=frozenset(("pipelining", "dsn"))))
    client.receive(b"220 x\r\n")
    client.receive(EHLO)
    assert set(client.offered.keywords) == {"SIZE"}
    assert client.offered.size_limit == 1000


SERVER = EHLO + b"250 2.1.0 ok\r\n250 2.1.5 ok\r\n550-5.1.1 no\r\n550 5.1.1 such\r\n354 go\r\n"


@given(cuts=st.sets(st.integers(0, len(SERVER))))
def test_where_the_octets_are_cut_makes_no_difference(cuts: set[int]) -> None:
    client = Client(Dialect("me"))
    client.receive(b"220 x\r\n")
    transaction = Transaction(MAIL, rcpt("x", "y"))
    events = []
    edges = [0, *sorted(cuts | {len(EHLO)}), len(SERVER)]
    for start, end in pairwise(edges):
        events.append(client.receive(SERVER[start:end]))
        if events[-1] is ClientEvent.READY:
            client.begin(transaction)
    assert [event for event in events if event is not ClientEvent.WAIT] == [ClientEvent.READY, ClientEvent.CONTENT]
    assert decided(transaction) == [None, (ClientStage.RCPT, 550)]


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_noise_raises_nothing_but_its_own_error(pieces: list[bytes]) -> None:
    client = ready()
    client.begin(Transaction(MAIL, rcpt("x", "y")))
    try:
        for piece in pieces:
            if client.receive(piece) is ClientEvent.CONTENT:
                client.content_sent()
    except MalformedReply:
        pass


@given(st.lists(st.sampled_from([b"250 ok", b"354 go", b"450 no", b"550-no\r\n550 no", b"421 bye", b"220"]), max_size=12))
def test_any_replies_leave_a_whole_state(replies: list[bytes]) -> None:
    client = ready()
    transaction = Transaction(MAIL, rcpt("x", "y"))
    client.begin(transaction)
    for reply in replies:
        event = client.receive(reply + b"\r\n")
        if event is ClientEvent.CONTENT:
            event = client.content_sent()
        if event is ClientEvent.FINISHED:
            assert None not in transaction.answers
            assert client.stage is ClientStage.IDLE
            break
