"""The service and its sessions: envelopes, limits, time-outs, orderly ends, and what a fault costs."""

import asyncio
import time
from typing import Any

import pytest
from tests.support import driven_loop
from tests.unit.receive.dialogue import Client, FakeAdmission, FakeIntake, Stage_, stage

from gatepost.events.maillog import words
from gatepost.lookup.port import LookupFailure
from gatepost.mail.envelope import Recipient
from gatepost.mail.queue_id import QueueId
from gatepost.mail.submission import QueueUnavailable
from gatepost.policy.port import PERMIT, Action, Facts, Stage, Verdict
from gatepost.proto.smtp.client_commands import xtext
from gatepost.proto.smtp.commands import LMTP
from gatepost.queue.port import NewMessage
from gatepost.receive.port import Lookups
from gatepost.receive.session_limit import SessionLimit

MESSAGE = b"MAIL FROM:<sender@client.test>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\nSubject: x\r\n\r\nhello\r\n.\r\n"


async def everybody(name: str, address: str) -> bool:
    return True


async def send(scene: Stage_, data: bytes, peer: str = "127.0.0.2") -> list[str]:
    client = Client(scene.service, peer)
    said = await client.settle()
    said += await client.say(data)
    await client.close()
    return said


def test_the_envelope_and_what_the_queue_file_says() -> None:
    scene = stage()
    asyncio.run(send(scene, b"EHLO client2.client.test\r\n" + MESSAGE))
    (message,) = scene.messages
    assert message.envelope.sender == "sender@client.test"
    assert message.envelope.recipients == (Recipient("alice@example.test", "alice@example.test", "rfc822;alice@example.test", 0),)
    assert [name for name, _ in message.envelope.attributes] == [
        "rewrite_context", "log_client_name", "log_client_address", "log_client_port", "log_message_origin", "log_helo_name",
        "log_protocol_name", "client_name", "reverse_client_name", "client_address", "client_port", "server_address",
        "server_port", "helo_name", "protocol_name", "client_address_type",
    ]  # fmt: skip
    content = message.content.read()
    assert content.startswith(
        b"Received: from client2.client.test (client2.client.test [127.0.0.2])\r\n"
        b"\tby mail.example.test (Postfix) with ESMTP id " + str(message.id).encode() + b"\r\n\tfor <alice@example.test>; "
    )
    assert content.endswith(b"\r\nSubject: x\r\n\r\nhello\r\n")


@pytest.mark.parametrize(
    ("first", "stored"),
    [
        (b"From someone Mon Jan  2 03:04:05 2023", b"X-Mailbox-Line: From someone Mon Jan  2 03:04:05 2023\r\n"),
        (b">From someone", b"X-Mailbox-Line: >From someone\r\n"),
        (b" continued", b"\r\n continued\r\n"),
        (b"From: x", b"From: x\r\n"),
    ],
)
def test_a_strange_first_line_is_mended(first: bytes, stored: bytes) -> None:
    scene = stage()
    asyncio.run(send(scene, MESSAGE.replace(b"Subject: x", first)))
    assert stored in scene.messages[0].content.read()


class Acting:
    """A policy that asks for things at the recipient."""

    def __init__(self, *actions: Action) -> None:
        self.actions = actions

    async def check(self, stage: Stage, facts: Facts) -> Verdict:
        return Verdict(actions=self.actions) if stage is Stage.RECIPIENT else PERMIT


def test_what_policy_asks_for_goes_into_the_envelope() -> None:
    what = "<alice@example.test>: Recipient address"
    scene = stage(
        policy=Acting(
            Action("hold", "", "RCPT", what), Action("filter", "smtp:[127.0.0.1]:10", "RCPT", what), Action("prepend", "X-A: b"),
            Action("redirect", "bob@example.test", "RCPT", what), Action("bcc", "carol@example.test", "RCPT", what),
        )
    )  # fmt: skip
    asyncio.run(send(scene, MESSAGE))
    (message,) = scene.messages
    envelope = message.envelope
    assert (envelope.hold, envelope.content_filter, envelope.redirect) == (True, "smtp:[127.0.0.1]:10", "bob@example.test")
    assert [r.address for r in envelope.recipients] == ["alice@example.test", "carol@example.test"]
    assert message.content.read().startswith(b"X-A: b\r\nReceived: ")
    assert any("<alice@example.test>: Recipient address triggers HOLD action" in line for line in scene.log)


def test_a_discarded_message_is_accepted_and_not_queued() -> None:
    scene = stage(policy=Acting(Action("discard", "", "RCPT", "x")))
    said = asyncio.run(send(scene, MESSAGE))
    assert said[-1].startswith("250 2.0.0 Ok: queued as")
    assert scene.messages == []


def test_no_250_without_a_queue() -> None:
    async def full(message: NewMessage) -> None:
        raise QueueUnavailable("disk full")

    scene = stage(admission=FakeAdmission(full))
    assert asyncio.run(send(scene, MESSAGE))[-1] == "451 4.3.0 Error: queue file write error"


def test_a_fault_ends_one_session_and_says_nothing_of_the_inside() -> None:
    class Broken(FakeAdmission):
        def open(self, queue_id: QueueId, **_: Any) -> Any:
            raise RuntimeError("secret")

    told: list[tuple[str, str]] = []
    lookups = Lookups(report=lambda subject, text: told.append((subject, text)))
    scene = stage(lookups=lookups, admission=Broken())
    said = asyncio.run(send(scene, MESSAGE))
    assert said[-1] == "421 4.3.0 mail.example.test Server local error"
    assert told[0][0] == "Postfix SMTP server: errors from client2.client.test[127.0.0.2]"
    assert " In:  RCPT TO:<alice@example.test>\n Out: 250 2.1.5 Ok\n In:  DATA\n" in told[0][1]


def test_a_message_too_big_is_read_to_its_end_and_refused() -> None:
    scene = stage({"message_size_limit": 1000})
    body = b"x" * 78 + b"\r\n"
    said = asyncio.run(send(scene, MESSAGE.replace(b"hello\r\n", body * 1000) + b"NOOP\r\n"))
    assert said[-2:] == ["552 5.3.4 Error: message file too big", "250 2.0.0 Ok"]
    assert scene.messages == []


@pytest.mark.parametrize("step", [7, 80, 4000])
def test_cleanup_sees_the_lines_within_the_size_limit(step: int) -> None:
    intakes: list[FakeIntake] = []

    class Recording(FakeAdmission):
        def open(self, queue_id: QueueId, **_: Any) -> FakeIntake:
            intakes.append(FakeIntake(queue_id))
            return intakes[-1]

    async def talk() -> None:
        client = Client(stage({"message_size_limit": 1000}, admission=Recording()).service)
        await client.settle()
        data = MESSAGE.replace(b"hello\r\n", (b"x" * 78 + b"\r\n") * 20 + b"end\r\n")
        for start in range(0, len(data), step):
            await client.say(data[start : start + step])
        await client.close()

    asyncio.run(talk())
    assert intakes[0].data.partition(b"\r\nSubject")[2] == b": x\r\n\r\n" + (b"x" * 78 + b"\r\n") * 12


def test_footers_by_reply_come_in_order() -> None:
    async def footer(reply: str) -> str | None:
        await asyncio.sleep(0)
        if reply.startswith("554"):
            raise LookupFailure("fail:x", "Application error")
        return {"500 5.5.2 Error: command not recognized": "\\c: ${client_address}"}.get(reply)

    scene = stage({"smtpd_reject_footer": "at $localtime"}, Lookups(footer=footer), clock=lambda: 0.0)
    assert asyncio.run(send(scene, b"EHLO x\r\nBOGUS\r\nNOOP\r\nMAIL FROM:<>\r\nDATA\r\nBOGUS\r\nQUIT\r\n"))[-7:] == [
        "500 5.5.2 Error: command not recognized: 127.0.0.2",
        "250 2.0.0 Ok",
        "250 2.1.0 Ok",
        "554-5.5.1 Error: no valid recipients",
        time.strftime("554 5.5.1 at %b %d %H:%M:%S", time.localtime(0)),
        "500 5.5.2 Error: command not recognized: 127.0.0.2",
        "221 2.0.0 Bye",
    ]


def test_what_clients_on_debug_peer_list_say_is_logged() -> None:
    async def debug_peers(name: str, address: str) -> bool:
        return address == "127.0.0.2"

    scene = stage(lookups=Lookups(debug_peers=debug_peers))
    asyncio.run(send(scene, b"HELO x\r\nAUTH PLAIN c2VjcmV0\r\nQUIT\r\n"))
    client = "client2.client.test[127.0.0.2]"
    told = [line for line in scene.log if line[:2] in ("> ", "< ")]
    assert told[:3] == [
        f"> {client}: 220 mail.example.test ESMTP Postfix",
        f"< {client}: HELO x",
        f"> {client}: 250 mail.example.test",
    ]
    assert told[-1] == f"> {client}: 221 2.0.0 Bye"
    assert "c2VjcmV0" not in "".join(told)
    asyncio.run(send(scene, b"QUIT\r\n", "127.0.0.4"))
    assert not [line for line in scene.log if line[:2] in ("> ", "< ") and client not in line]


FILTERS: list[tuple[str | Exception | None, list[str], str | None]] = [
    ("550 5.7.1 go away", ["550-5.7.1 go away", "550 5.7.1 ask us"], None),
    (None, ["500-5.5.2 Error: command not recognized", "500 5.5.2 ask us"], None),
    ("421 4.3.0 later", ["421-4.3.0 later", "421 4.3.0 ask us"], None),
    (LookupFailure("fail:x", "Application error"), ["500-5.5.2 Error: command not recognized", "500 5.5.2 ask us"], None),
    # What is no refusal is not said.
    *(
        (other, ["500-5.5.2 Error: command not recognized", "500 5.5.2 ask us"], other)
        for other in ("250 2.0.0 Ok", "550 no status", "550 4.7.1 two minds", "550 5.7.1", "OK", "5500 5.7.1 x", "")
    ),
]


@pytest.mark.parametrize(("found", "said", "warned"), FILTERS)
def test_a_refusal_may_be_told_in_other_words(found: str | Exception | None, said: list[str], warned: str | None) -> None:
    """smtpd_reject_filter_maps of Postfix 3.11: before the footer, and no reply but a refusal."""

    async def reject_filter(reply: str) -> str | None:
        if reply == "500 5.5.2 Error: command not recognized":
            if isinstance(found, Exception):
                raise found
            return found
        return None

    scene = stage({"smtpd_reject_footer": "ask us"}, Lookups(reject_filter=reject_filter))
    heard = asyncio.run(send(scene, b"BOGUS\r\nNOOP\r\n"))
    assert heard[1:3] == said
    assert heard[3:] == ([] if said[0].startswith("421") else ["250 2.0.0 Ok"])
    told = [line.partition("status code: ")[2] for line in scene.log if "smtpd_reject_filter_maps" in line]
    assert told == ([] if warned is None else [warned])


async def unanswered(*names: str) -> bool:
    raise LookupFailure("hash:/nosuch", "open database /nosuch.db: No such file or directory")


async def no_answer(key: str) -> str | None:
    raise LookupFailure("pcre:/nosuch", "open /nosuch: No such file or directory")


LOST = "421 4.3.0 mail.example.test Server local data error"


@pytest.mark.parametrize(
    ("lookups", "where", "noted"),
    [
        (Lookups(xclient_hosts=unanswered), "EHLO", "don't know if EHLO feature XCLIENT should be announced to {}"),
        (Lookups(xforward_hosts=unanswered), "EHLO", "don't know if EHLO feature XFORWARD should be announced to {}"),
        (Lookups(discard_keywords=no_answer), "EHLO", "don't know what EHLO features to announce to {}"),
        (Lookups(command_filter=no_answer), "CONNECT", ""),
    ],
)
def test_tables_that_a_session_cannot_go_on_without(lookups: Lookups, where: str, noted: str) -> None:
    scene = stage({"smtpd_client_connection_count_limit": 50}, lookups)
    assert asyncio.run(send(scene, b"EHLO x\r\nNOOP\r\n"))[1:] == [LOST]
    client = "client2.client.test[127.0.0.2]"
    counts = "ehlo=0/1 commands=0/1" if where == "EHLO" else "commands=0/0"
    expected = [f"warning: {noted.format(client)}"] if noted else []
    expected += [f"NOQUEUE: reject: {where} from {client}: {LOST}", f"disconnect from {client} {counts}"]
    assert scene.log[-len(expected) :] == expected


def test_a_command_that_does_nothing_may_be_one_that_we_know() -> None:
    async def noop(word: str) -> bool:
        return word in ("EHLO", "XYZZY")

    scene = stage(lookups=Lookups(noop=noop))
    assert asyncio.run(send(scene, b"ehlo x\r\nXyzzy 1\r\nHELO x\r\n"))[1:] == ["250 2.0.0 Ok"] * 2 + ["250 mail.example.test"]
    assert scene.log[-1].endswith("helo=1 commands=1")


def test_who_does_not_know_how_to_rewrite_headers_takes_no_mail() -> None:
    scene = stage(lookups=Lookups(local_rewrite=unanswered))
    said = asyncio.run(send(scene, b"EHLO x\r\nMAIL FROM:<a@b.test>\r\nNOOP\r\n"))
    assert said[-2:] == ["451 4.3.0 Temporary lookup error", "250 2.0.0 Ok"]
    assert "NOQUEUE: reject: MAIL from client2.client.test[127.0.0.2]: 451 4.3.0 Temporary lookup error" in scene.log[-3]


def test_a_session_that_ends_with_a_refusal_still_looks_up_its_footer() -> None:
    async def footer(reply: str) -> str | None:
        return "call us"

    scene = stage({"smtpd_hard_error_limit": 1}, Lookups(footer=footer))
    assert asyncio.run(send(scene, b"BOGUS\r\nNOOP\r\n"))[-2:] == [
        "421-4.7.0 mail.example.test Error: too many errors",
        "421 4.7.0 call us",
    ]


@pytest.mark.parametrize(
    ("peer", "client", "warning"),
    [
        ("127.0.0.2", "client2.client.test", None),
        ("::ffff:127.0.0.2", "client2.client.test", None),
        ("127.0.0.4", "unknown", "does not resolve to address 127.0.0.4: Name or service not known"),
        ("127.0.0.5", "unknown", "hostname mismatch.client.test does not resolve to address 127.0.0.5"),
        ("127.0.0.6", "unknown", None),
        ("127.0.0.7", "unknown", None),
        ("127.0.0.8", "unknown", "does not resolve to address 127.0.0.8: Temporary failure in name resolution"),
    ],
)
def test_client_names(peer: str, client: str, warning: str | None) -> None:
    scene = stage()
    asyncio.run(send(scene, b"QUIT\r\n", peer))
    log = scene.log
    assert log[-2] == f"connect from {client}[{peer.removeprefix('::ffff:')}]"
    assert log[0].endswith(warning) if warning else len(log) == 2, log


@pytest.mark.parametrize(
    ("settings", "first", "second", "together"),
    [
        ({}, "127.0.0.2", "127.0.0.3", False),
        ({"smtpd_client_ipv4_prefix_length": 24}, "127.0.0.2", "127.0.0.3", True),
        ({"smtpd_client_ipv4_prefix_length": 24}, "127.0.0.2", "127.0.1.2", False),
        ({"smtpd_client_ipv4_prefix_length": 0}, "127.0.0.2", "192.0.2.1", True),
        ({}, "2001:db8::1", "2001:db8::fff:ffff", True),  # /84, as in Postfix 3.8
        ({}, "2001:db8::1", "2001:db8::1000:0:1", False),
        ({"smtpd_client_ipv6_prefix_length": 128}, "2001:db8::1", "2001:db8::2", False),
        ({"smtpd_client_ipv6_prefix_length": 64}, "2001:db8::1", "2001:db8::ffff:1", True),
    ],
)
def test_clients_are_counted_by_network(settings: dict[str, int], first: str, second: str, together: bool) -> None:
    async def play() -> bool:
        scene = stage({"smtpd_client_connection_count_limit": 1, **settings})
        one, other = Client(scene.service, first), Client(scene.service, second)
        assert (await one.settle())[0].startswith("220")
        refused = (await other.settle())[0].startswith("421 4.7.0 mail.example.test Error: too many connections from " + second)
        await one.close()
        await other.close()
        third = Client(scene.service, second)
        assert (await third.settle())[0].startswith("220")  # given back as it was taken
        await third.close()
        return refused

    assert asyncio.run(play()) is together


def test_connections_are_counted_and_given_back() -> None:
    async def play() -> list[list[str]]:
        scene = stage({"smtpd_client_connection_count_limit": 2})
        clients = [Client(scene.service) for _ in range(3)]
        said = [await client.settle() for client in clients]
        for client in clients:
            await client.close()
        return [*said, await Client(scene.service).settle()]

    *first, third, after = asyncio.run(play())
    assert third == ["421 4.7.0 mail.example.test Error: too many connections from 127.0.0.2"]
    assert [first[0], first[1], after] == [["220 mail.example.test ESMTP Postfix"]] * 3


def test_rates() -> None:
    scene = stage({"smtpd_client_message_rate_limit": 1})
    said = asyncio.run(send(scene, b"MAIL FROM:<a@x.test>\r\nRSET\r\nMAIL FROM:<a@x.test>\r\n"))
    assert said[-1] == "450 4.7.1 Error: too much mail from 127.0.0.2"
    assert (
        "warning: Message delivery request rate limit exceeded: 2 from client2.client.test[127.0.0.2] for service 2525" in scene.log
    )


def test_a_silent_client_is_sent_away() -> None:
    async def play() -> tuple[list[str], list[str]]:
        scene = stage({"smtpd_timeout": 300})
        client = Client(scene.service)
        await client.settle()
        await asyncio.sleep(299)
        assert client.transport.take() == []
        await asyncio.sleep(2)
        return client.transport.take(), scene.log

    said, log = driven_loop.run(play())
    assert said == ["421 4.4.2 mail.example.test Error: timeout exceeded"]
    assert "timeout after CONNECT from client2.client.test[127.0.0.2]" in log


def test_a_slow_request_does_not_outlast_its_deadline() -> None:
    async def play() -> list[str]:
        scene = stage({"smtpd_timeout": 60, "smtpd_per_request_deadline": True, "smtpd_min_data_rate": 500})
        client = Client(scene.service)
        await client.settle()
        said: list[str] = []
        for _ in range(5):
            said += await client.say(b"x")
            await asyncio.sleep(11)
        assert said == []
        await asyncio.sleep(11)
        return await client.settle()

    assert driven_loop.run(play()) == ["421 4.4.2 mail.example.test Error: timeout exceeded"]


def test_drain_lets_a_transaction_finish_and_ends_the_idle() -> None:
    async def play() -> tuple[list[str], list[str], int]:
        scene = stage()
        idle, busy = Client(scene.service), Client(scene.service)
        await idle.say(b"HELO x\r\n")
        begun, rest = MESSAGE.split(b"hello")
        await busy.say(begun)
        drained = asyncio.create_task(scene.service.drain(5.0))
        idle_said = await idle.settle()
        busy_said = await busy.say(b"hello" + rest)
        await drained
        return idle_said, busy_said, len(scene.messages)

    idle, busy, stored = asyncio.run(play())
    bye = "421 4.3.2 mail.example.test Error: server is shutting down"
    assert idle == [bye]
    assert busy[0].startswith("250 2.0.0 Ok: queued as")
    assert (busy[1], stored) == (bye, 1)


def test_xclient_makes_another_client_of_it() -> None:
    scene = stage(lookups=Lookups(xclient_hosts=everybody))
    said = asyncio.run(send(scene, b"XCLIENT NAME=a+2Db.test ADDR=192.0.2.77\r\nXCLIENT ADDR=nonsense\r\nQUIT\r\n"))
    assert said[-3:] == ["220 mail.example.test ESMTP Postfix", "501 5.5.4 Bad ADDR syntax: nonsense", "221 2.0.0 Bye"]


@pytest.mark.parametrize("name", ["a+0Ab", "under score", "-x.test"])
def test_what_is_refused_of_a_client_is_not_believed(name: str) -> None:
    """The session goes on after the 501, and so do log, restrictions and next hop: with what was known before."""
    refused = [f"NAME={xtext(name.encode()).decode()}", "ADDR=nonsense", "PORT=nonsense", "PROTO=X", "SOURCE=X"]
    before = b"XFORWARD NAME=orig.test ADDR=192.0.2.9 PORT=25 PROTO=SMTP SOURCE=REMOTE\r\n"
    scene = stage(lookups=Lookups(xforward_hosts=everybody))
    asyncio.run(send(scene, before + b"".join(f"XFORWARD {one}\r\n".encode() for one in refused[:3] + refused[4:]) + MESSAGE))
    told = dict(scene.messages[0].envelope.attributes)
    assert (told["log_client_name"], told["log_client_address"], told["log_client_port"]) == ("orig.test", "192.0.2.9", "25")
    scene = stage(lookups=Lookups(xclient_hosts=everybody))
    taken = b"XCLIENT NAME=good.test ADDR=192.0.2.9\r\n"
    refused += [f"REVERSE_{refused[0]}", "DESTADDR=nonsense", "DESTPORT=nonsense"]
    asyncio.run(send(scene, taken + b"".join(f"XCLIENT {one}\r\n".encode() for one in refused) + MESSAGE))
    assert scene.messages[0].envelope.attribute("client_name") == "good.test"
    assert scene.messages[0].envelope.attribute("client_address") == "192.0.2.9"


def test_xforward_is_for_the_log_only() -> None:
    scene = stage(lookups=Lookups(xforward_hosts=everybody))
    asyncio.run(send(scene, b"XFORWARD NAME=orig.test ADDR=192.0.2.9 IDENT=ABC PROTO=ESMTP HELO=o\r\n" + MESSAGE))
    envelope = scene.messages[0].envelope
    assert (envelope.attribute("log_message_origin"), envelope.attribute("client_name")) == (
        "orig.test[192.0.2.9]",
        "client2.client.test",
    )


def test_proxy_protocol() -> None:
    scene = stage({"smtpd_upstream_proxy_protocol": "haproxy"})
    said = asyncio.run(send(scene, b"PROXY TCP4 127.0.0.2 127.0.0.1 1234 25\r\nQUIT\r\n", "127.0.0.9"))
    assert said == ["220 mail.example.test ESMTP Postfix", "221 2.0.0 Bye"]
    assert scene.log[0] == "connect from client2.client.test[127.0.0.2]"
    refused = asyncio.run(send(stage({"smtpd_upstream_proxy_protocol": "haproxy"}), b"EHLO x\r\n"))
    assert refused == ["421 4.3.2 mail.example.test Server local error"]


def test_lmtp() -> None:
    said = asyncio.run(send(stage(dialect=LMTP), b"EHLO x\r\nLHLO x\r\n"))
    assert said[1] == "500 5.5.2 Error: command not recognized"
    assert said[2] == "250-mail.example.test"
    assert not any("VRFY" in line or "ETRN" in line for line in said)


ENVELOPE = b"LHLO x\r\nMAIL FROM:<a@client.test>\r\n"
TWO_OF_THREE = ENVELOPE + b"RCPT TO:<alice@example.test>\r\nRCPT TO:<nobody@example.test>\r\nRCPT TO:<alice@example.test>\r\n"


def final(said: list[str], count: int) -> list[str]:
    """The last lines, with the queue id left out."""
    return [line.partition(" queued as")[0] for line in said[-count:]]


@pytest.mark.parametrize(
    ("content", "answers"),
    [
        (b"DATA\r\nSubject: x\r\n\r\nhello\r\n.\r\n", ["354 End data with <CR><LF>.<CR><LF>", "250 2.0.0 Ok:", "250 2.0.0 Ok:"]),
        (b"BDAT 5\r\nab\r\nc", ["250 2.0.0 Ok: 5 bytes"]),
        (b"BDAT 4\r\nab\r\nBDAT 0 LAST\r\n", ["250 2.0.0 Ok: 4 bytes", "250 2.0.0 Ok: 4 bytes", "250 2.0.0 Ok: 4 bytes"]),
        (b"BDAT 10240001 LAST\r\n" + bytes(10240001), ["552 5.3.4 Chunk exceeds message size limit"] * 2),
    ],
)  # fmt: skip
def test_lmtp_answers_the_end_of_data_for_each_successful_rcpt(content: bytes, answers: list[str]) -> None:
    said = asyncio.run(send(stage(dialect=LMTP), TWO_OF_THREE + content))
    assert final(said, len(answers) + 1)[1:] == answers
    assert final(said, len(answers) + 1)[0] == "250 2.1.5 Ok"


def test_lmtp_refuses_for_each_recipient_and_only_there() -> None:
    async def nowhere(message: NewMessage) -> None:
        raise QueueUnavailable("disk full")

    scene = stage(dialect=LMTP, admission=FakeAdmission(nowhere))
    said = asyncio.run(send(scene, TWO_OF_THREE + b"DATA\r\n.\r\nNOOP\r\n"))
    assert said[-3:] == ["451 4.3.0 Error: queue file write error"] * 2 + ["250 2.0.0 Ok"]


@pytest.mark.parametrize("command", [b"DATA\r\n", b"BDAT 0 LAST\r\n"])
def test_lmtp_content_without_a_recipient(command: bytes) -> None:
    said = asyncio.run(send(stage(dialect=LMTP), ENVELOPE + b"RCPT TO:<nobody@example.test>\r\n" + command))
    assert said[-1] == "503 5.5.1 Error: no valid recipients"


@pytest.mark.parametrize(
    ("parameters", "farewell"),
    [({}, ["421 4.3.2 mail.example.test All server ports are busy"]), ({"smtpd_tls_wrappermode": True}, [])],
)
def test_who_finds_no_room_is_told_to_come_again(parameters: dict[str, bool], farewell: list[str]) -> None:
    async def come_and_go() -> None:
        limit = SessionLimit(2)
        scene, other = stage(limit=limit), stage(limit=limit)
        sitting = [Client(scene.service), Client(other.service)]
        crowded = stage(parameters, limit=limit)
        turned_away = Client(crowded.service, "192.0.2.1")
        assert turned_away.transport.closed
        assert await turned_away.settle() == farewell
        assert [words(event) for event in crowded.events] == ["NOQUEUE: reject: CONNECT from [192.0.2.1]: all server ports busy"]
        for client in sitting:
            assert (await client.settle())[0].startswith("220 ")
        await sitting[0].say(b"QUIT\r\n")
        assert not Client(scene.service).transport.closed
        assert Client(scene.service).transport.closed

    asyncio.run(come_and_go())


def test_a_client_that_is_gone_before_the_reply_is_no_fault_of_ours() -> None:
    """RFC 1047: the message stays; nobody hears of it."""

    async def vanish() -> None:
        stored, waiting = asyncio.Event(), asyncio.Event()
        durable: list[NewMessage] = []

        async def store(message: NewMessage) -> None:
            waiting.set()
            await stored.wait()
            durable.append(message)

        scene = stage(admission=FakeAdmission(store))
        client = Client(scene.service)
        await client.say(MESSAGE)
        await waiting.wait()
        client.transport.closed = True
        client.protocol.connection_lost(ConnectionResetError())
        stored.set()
        await client.settle()
        assert len(durable) == 1
        assert not [event for event in scene.events if getattr(event, "severity", "") in ("error", "panic")]

    asyncio.run(vanish())


def test_an_orderly_end_waits_for_the_answer_to_a_command() -> None:
    async def scenario() -> list[str]:
        asked, answered = asyncio.Event(), asyncio.Event()

        async def slow(word: str) -> bool:
            asked.set()
            await answered.wait()
            return False

        scene = stage(lookups=Lookups(noop=slow))
        client = Client(scene.service)
        answered.set()
        await client.settle()
        await client.say(b"NOOP\r\n")
        answered.clear()
        asked.clear()
        await client.say(b"EHLO client.test\r\n")
        assert asked.is_set()
        draining = asyncio.create_task(scene.service.drain(5))
        await asyncio.sleep(0)
        answered.set()
        said = await client.settle()
        await draining
        return [line[:9] for line in (said[0], said[-1])]

    assert asyncio.run(scenario()) == ["250-mail.", "421 4.3.2"]


def test_an_interrupted_lookup_of_a_footer_takes_no_reply_from_its_place() -> None:
    async def scenario() -> list[str]:
        asked: list[str] = []

        async def footer(reply: str) -> str | None:
            asked.append(reply)
            if len(asked) == 1:
                await asyncio.Event().wait()
            return None

        scene = stage(lookups=Lookups(footer=footer))
        client = Client(scene.service)
        await client.settle()
        await client.say(b"BOGUS\r\n")
        assert len(asked) == 1
        await scene.service.drain(0.01)
        return [line[:9] for line in await client.settle()]

    assert asyncio.run(scenario()) == ["500 5.5.2", "421 4.3.2"]


@pytest.mark.parametrize(("recipient", "in_lines"), [(b"alice@example.test", True), (b'"al\rice"@example.test', False)])
def test_what_an_address_brings_into_our_header_is_looked_at(recipient: bytes, in_lines: bool) -> None:
    asked: list[bool] = []

    class Asked(FakeAdmission):
        def open(self, queue_id: QueueId, *, in_lines: bool = False, **others: object) -> FakeIntake:
            asked.append(in_lines)
            return FakeIntake(queue_id)

    asyncio.run(send(stage(admission=Asked()), MESSAGE.replace(b"alice@example.test", recipient)))
    assert asked == [in_lines]


def test_a_session_that_has_just_been_accepted_is_drained_with_the_others() -> None:
    """Its task has not run yet, and the worker must not end without it."""

    async def converse() -> list[str]:
        scene = stage()
        client = Client(scene.service)
        await scene.service.drain(5.0)
        assert client.transport.closed
        return client.transport.take()

    said = asyncio.run(converse())
    assert [line[:3] for line in said] == ["220", "421"]


def test_whatever_breaks_at_the_end_of_a_session_its_client_goes_and_its_room_is_free() -> None:
    class Clinging(FakeIntake):
        def abort(self) -> None:
            raise OSError(30, "Read-only file system")

    class Admission(FakeAdmission):
        def open(self, queue_id: QueueId, **_: Any) -> FakeIntake:
            return Clinging(queue_id)

    async def converse() -> None:
        limit = SessionLimit(1)
        scene = stage(admission=Admission(), limit=limit)
        client = Client(scene.service)
        await client.settle()
        await client.say(MESSAGE.partition(b"hello")[0])
        assert not limit.free
        client.protocol.eof_received()
        async with asyncio.timeout(5):
            await scene.service.idle()
        assert (client.transport.closed, bool(limit.free)) == (True, True)
        client.protocol._task.exception()  # type: ignore[attr-defined]

    asyncio.run(converse())
