"""Address verification when something breaks: the worker that probes is killed, the store of what is known cannot be asked."""

import os
import re
import shutil
import signal
import sqlite3
import threading

from tests.support.running import System, wait_for
from tests.support.sink import Sink

_MAIN = {
    "relay_domains": "example.net",
    "smtpd_recipient_restrictions": "reject_unverified_recipient",
    "address_verify_poll_count": "1",
}
_LEASE = 30.0
"""Seconds for which a dead worker's claim holds."""


def rcpt(system: System, to: str) -> tuple[int, str]:
    with system.client() as client:
        client.say("EHLO client.example.com")
        client.say("MAIL FROM:<a@example.com>")
        return client.say(f"RCPT TO:<{to}>")


def test_another_worker_probes_after_the_one_that_did_was_killed() -> None:
    def silence(connection: object) -> None:
        return None

    with Sink(answers={"RCPT": silence}) as sink, System(_MAIN, relay=sink.port) as system:
        assert rcpt(system, "x@example.net")[0] == 450
        line = system.logged("from=<double-bounce@mail.example.test>")
        wait_for(lambda: any(one.startswith(b"RCPT") for one in sink.commands), "the probe")
        sink.answers = {}
        found = re.search(r"qmgr\[(\d+)\]", line)
        assert found
        os.kill(int(found[1]), signal.SIGKILL)
        assert [rcpt(system, "x@example.net")[0] for _ in range(3)] == [450] * 3
        wait_for(lambda: rcpt(system, "x@example.net")[0] == 250, "another probe", _LEASE + 15)
        probes = [one for one in sink.commands if one.startswith(b"RCPT")]
        assert len(probes) == 2
        assert system.queue() == []


def test_a_store_that_cannot_be_asked_puts_mail_off_and_comes_back() -> None:
    with Sink() as sink, System({**_MAIN, "address_verify_poll_count": "3"}, relay=sink.port) as system:
        assert rcpt(system, "x@example.net")[0] == 250
        state = system.folder / "data" / "state"
        system.stop()
        state.rename(system.folder / "away")
        state.write_text("no folder")
        system.start()
        code, text = rcpt(system, "x@example.net")
        assert (code, text) == (450, "4.1.1 <x@example.net>: Recipient address rejected: address verification problem")
        system.logged("verify service failure")
        state.unlink()
        shutil.move(system.folder / "away", state)
        wait_for(lambda: rcpt(system, "x@example.net")[0] == 250, "the store", 30)


def test_a_reload_in_the_middle_of_a_probe_holds_up_nobody() -> None:
    """The probe goes on, or another one begins: the next question is answered, and not after a dead worker's claim has ended."""

    def silence(connection: object) -> None:
        return None

    with Sink(answers={"RCPT": silence}) as sink, System({**_MAIN, "address_verify_poll_count": "3"}, relay=sink.port) as system:
        asking = threading.Thread(target=rcpt, args=(system, "x@example.net"))
        asking.start()
        wait_for(lambda: any(one.startswith(b"RCPT") for one in sink.commands), "the probe")
        sink.answers = {}
        system.reload()
        wait_for(lambda: rcpt(system, "x@example.net")[0] == 250, "an answer", _LEASE - 10)
        asking.join()
        assert "Traceback" not in system.log()
        assert system.queue() == []


def test_records_that_nobody_can_read_are_not_known() -> None:
    with Sink() as sink, System({**_MAIN, "address_verify_poll_count": "3"}, relay=sink.port) as system:
        assert rcpt(system, "x@example.net")[0] == 250
        system.stop()
        with sqlite3.connect(system.folder / "data" / "state" / "state.sqlite") as database:
            assert database.execute("UPDATE entry SET value = ?", (b"[7,null,\xff",)).rowcount
        database.close()
        system.start()
        assert rcpt(system, "x@example.net")[0] == 250
        assert sum(one.startswith(b"RCPT") for one in sink.commands) == 2
        assert "Traceback" not in system.log()
