"""Address verification against real next hops: what they say, how often they are asked; and nothing is left behind."""

import re
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.postfix import Postfix
from tests.support.crowd import Crowd
from tests.support.running import System, wait_for
from tests.support.sink import Sink

_MAIN = {
    "relay_domains": "example.net",
    "smtpd_relay_restrictions": "permit_mynetworks, reject",
    "smtpd_recipient_restrictions": "reject_unverified_recipient",
    "unverified_recipient_reject_code": "550",
    "smtpd_client_connection_count_limit": "0",
}


@pytest.fixture
def system() -> Iterator[Callable[..., System]]:
    """Make a Gatepost that is stopped and removed at the end."""
    with ExitStack() as stack:

        def make(main: dict[str, str], relay: int | None = None) -> System:
            one = System(main, relay=relay)
            stack.push(one.__exit__)
            return one

        yield make


BAD = b"550 5.1.1 no such user\r\n"


def rcpt(system: System, to: str, sender: str = "a@example.com", port: int | None = None) -> tuple[int, str]:
    with system.client(port) as client:
        assert client.say("EHLO client.example.com")[0] == 250
        assert client.say(f"MAIL FROM:<{sender}>")[0] == 250
        return client.say(f"RCPT TO:<{to}>")


def asked(sink: Sink) -> list[str]:
    return [line.decode() for line in list(sink.commands) if line.upper().startswith(b"RCPT")]


def nothing_is_left(system: System) -> None:
    assert system.queue() == []
    audit = system.audit()
    assert audit.returncode == 0, audit.stdout
    assert "status=bounced" not in system.log()


def test_what_a_next_hop_says_is_known_to_all_workers_and_after_a_restart(system: Callable[..., System]) -> None:
    with Sink() as sink:
        one = system(_MAIN, relay=sink.port)
        one.start()
        assert rcpt(one, "good@example.net")[0] == 250
        sink.answers = {"RCPT": BAD}
        told = rcpt(one, "bad@example.net")
        assert told[0] == 550
        assert (
            "Recipient address rejected: undeliverable address: host 127.0.0.1[127.0.0.1] said: 550 5.1.1 no such user" in told[1]
        )
        sink.answers = {"RCPT": b"450 4.2.1 later\r\n"}
        assert rcpt(one, "slow@example.net")[0] == 450
        for _ in range(8):  # whichever worker it is that answers
            assert [rcpt(one, f"{who}@example.net")[0] for who in ("good", "bad", "slow")] == [250, 550, 450]
        one.stop()
        one.start()
        assert [rcpt(one, f"{who}@example.net")[0] for who in ("good", "bad", "slow")] == [250, 550, 450]
        assert len(asked(sink)) == 3
        assert {line[:4] for line in sink.commands} == {b"EHLO", b"MAIL", b"RCPT", b"RSET", b"QUIT"}
        assert sink.taken == []
        nothing_is_left(one)


def test_many_sessions_at_once_are_one_probe(system: Callable[..., System]) -> None:
    codes: list[int] = []
    with Sink(answers={"RCPT": lambda c: (time.sleep(1), c.sendall(b"250 2.1.5 ok\r\n"))}) as sink:
        one = system(_MAIN, relay=sink.port).start()
        with Crowd(lambda _: codes.append(rcpt(one, "new@example.net")[0]), 20):
            wait_for(lambda: len(codes) == 20, "all answers", 30)
        assert codes == [250] * 20
        assert len(asked(sink)) == 1
        nothing_is_left(one)


def test_who_waits_for_a_slow_next_hop_is_put_off_and_the_next_one_is_told(system: Callable[..., System]) -> None:
    with Sink(answers={"RCPT": lambda c: (time.sleep(4), c.sendall(BAD))}) as sink:
        one = system({**_MAIN, "address_verify_poll_count": "2", "address_verify_poll_delay": "1s"}, relay=sink.port).start()
        code, text = rcpt(one, "new@example.net")
        assert (code, text.rpartition(": ")[2]) == (450, "Address verification in progress")
        one.logged("status=undeliverable", "<new@example.net>")
        wait_for(lambda: rcpt(one, "new@example.net")[0] == 550, "the finding")
        assert len(asked(sink)) == 1
        nothing_is_left(one)


def test_a_dead_next_hop_puts_off(system: Callable[..., System]) -> None:
    with Sink() as sink:
        port = sink.port
    one = system(_MAIN, relay=port).start()
    code, text = rcpt(one, "x@example.net")
    assert code == 450
    assert "Connection refused" in text
    nothing_is_left(one)


def test_lmtp_and_an_own_way_for_probes(system: Callable[..., System]) -> None:
    with Sink() as mail, Sink(answers={"RCPT": BAD}) as probes:
        ways = {"address_verify_relayhost": "", "address_verify_relay_transport": f"lmtp:inet:127.0.0.1:{probes.port}"}
        one = system({**_MAIN, **ways, "relay_transport": f"smtp:[127.0.0.1]:{mail.port}"}).start()
        assert rcpt(one, "x@example.net")[0] == 550
        assert [line[:4] for line in probes.commands] == [b"LHLO", b"MAIL", b"RCPT", b"RSET", b"QUIT"]
        assert mail.commands == []


def test_a_sender_that_changes_with_time_is_taken_as_a_recipient(system: Callable[..., System]) -> None:
    ours = {"address_verify_sender": "probe@example.org", "address_verify_sender_ttl": "1h", "mydestination": "example.org"}
    ours |= {"local_recipient_maps": "inline:{probe=x}", "local_transport": "discard"}
    with Sink() as sink:
        one = system({**_MAIN, **ours}, relay=sink.port).start()
        assert rcpt(one, "x@example.net")[0] == 250
        (mail,) = (line.decode() for line in sink.commands if line.startswith(b"MAIL"))
        sender = mail.partition("<")[2].partition(">")[0]
        assert re.fullmatch(r"probe[0-9B-Z]+@example\.org", sender)
        one.configure({"smtpd_recipient_restrictions": "reject"})
        one.stop()
        one.start()
        assert rcpt(one, sender)[0] == 250
        assert rcpt(one, "probe1@example.org")[0] == 554
        assert one.send(to=sender)
        one.logged("to=<probe@example.org>", "status=sent")


def test_beside_a_real_postfix_neither_refuses_the_other_for_asking(system: Callable[..., System]) -> None:
    """Each verifies the other's sender, whose probe asks for the sender of the probe."""
    one = system({
        "mydestination": "example.com, mail.example.test",
        "local_recipient_maps": "inline:{a=x}",
        "local_transport": "discard",
        "relay_domains": "example.net next.example.net",
        "smtpd_sender_restrictions": "reject_unverified_sender",
    })  # fmt: skip
    here = f"smtp:[127.0.0.1]:{one.port}"
    ways = f"transport_maps = inline:{{{{example.com={here}}}, {{mail.example.test={here}}}}}"
    main = f"smtpd_sender_restrictions = reject_unverified_sender\n{ways}\n"
    other = Postfix(main, "verify unix - - n - 1 verify\n")
    try:
        one.configure({"relayhost": f"[127.0.0.1]:{other.port}"})
        one.start()
        assert rcpt(one, "a@example.com", sender="box@example.net") == (250, "2.1.5 Ok")
        assert one.send(sender="a@example.com", to="box@example.net")
        one.logged("to=<box@example.net>", "status=sent")
        assert "NOQUEUE: reject" not in one.log()
        assert "NOQUEUE: reject" not in (other.folder / "mail.log").read_text()
        assert one.queue() == []
    finally:
        other.clean()


PAGE = Path(__file__).parents[2] / "docs" / "address-verification.md"


def test_every_command_of_the_page(system: Callable[..., System]) -> None:
    commands = [line.strip() for line in PAGE.read_text().splitlines() if re.match(r"    (?:gatepost|postconf) ", line)]
    assert len(commands) == 5
    with Sink(answers={"RCPT": BAD}) as sink:
        usual = {name: value for name, value in _MAIN.items() if name == "relay_domains"}
        one = system({**usual, "mynetworks": "192.0.2.0/24"}, relay=sink.port).start()
        for command in commands:
            words = shlex.split(command)
            done = one.command(*(words[1:] if words[0] == "gatepost" else words))
            assert done.returncode == 0, (command, done.stderr)
            assert "address_verify" not in done.stderr
        assert "3h" in done.stdout
        wait_for(lambda: rcpt(one, "x@example.net")[0] == 550, "the new restrictions")
