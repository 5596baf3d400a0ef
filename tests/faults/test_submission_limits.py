"""The brake for stolen passwords when the shared state cannot answer: mail of users goes on or waits as the parameter says, none
is lost; a worker that is killed forgets nothing."""

import contextlib
import os
import shutil
import signal
from collections.abc import Callable, Iterator

import pytest

from gatepost.state.writer_lock import writer_lock
from tests.integration.submitters import Make, held, send, started, submission, xclient
from tests.integration.system import System
from tests.support.running import wait_for
from tests.support.state_store import process

_LOGIN = "anna@example.com"


@pytest.fixture
def system() -> Iterator[Make]:
    """Make a Gatepost: `system(main)`."""
    with contextlib.ExitStack() as stack:

        def make(main: str) -> System:
            one = System(main)
            stack.push(one.__exit__)
            return one

        yield make


@contextlib.contextmanager
def locked(one: System) -> Iterator[None]:
    """A process that writes to the store, and does not get on with it."""
    with xclient(one, "somebody.else") as client:
        send(client, "the first, which makes the store")

    def hold(ready: Callable[[], object]) -> None:
        writer_lock(one.folder / "data" / "state").take(10.0)
        ready()
        signal.pause()

    with process(hold):
        yield


@contextlib.contextmanager
def away(one: System) -> Iterator[None]:
    """What stands where the folder of the store should be is none."""
    folder = one.folder / "data" / "state"
    one.stop()
    shutil.rmtree(folder, ignore_errors=True)
    folder.write_text("no folder\n")
    one.start()
    yield
    one.stop()
    folder.unlink()
    one.start()


@pytest.mark.parametrize("broken", [locked, away])
@pytest.mark.parametrize("action", ["accept", "hold", "tempfail"])
def test_what_cannot_be_counted(
    system: Make, broken: Callable[[System], contextlib.AbstractContextManager[None]], action: str
) -> None:
    one = started(system, f"submission_message_hour_limit = 1\nsubmission_default_action = {action}\nworker_processes = 1\n")
    with broken(one), xclient(one, _LOGIN) as client:
        client.mail("a@example.com")
        client.rcpt("b@example.test")
        code, said = client.data("Subject: in need\r\n\r\nbody\r\n")
        assert (code, said.split()[0]) == ((451, b"4.7.1") if action == "tempfail" else (250, b"2.0.0"))
        one.logged("END-OF-MESSAGE from unknown[192.0.2.1]: ", "submission" if action != "hold" else "nothing can be counted")
        assert len(held(one)) == (action == "hold")
    if action == "hold":
        assert submission(one, "release", _LOGIN) == f"{_LOGIN}: 1 message released\n"
    if action != "tempfail":
        one.arrival(b"Subject: in need\n")
    with xclient(one, _LOGIN) as client:
        send(client, "after it")
        send(client, "too many")
    one.arrival(b"Subject: after it\n")
    wait_for(lambda: len(held(one)) == 1, "the burst on hold, counted again")


def test_a_worker_that_is_killed_in_a_burst_forgets_nothing(system: Make) -> None:
    one = started(system, "submission_message_day_limit = 5\nworker_processes = 2\n")
    taken = 0
    for number in range(12):
        with contextlib.suppress(OSError, AssertionError), xclient(one, _LOGIN) as client:
            send(client, f"burst {number}")
            taken += 1
            if number in (2, 7):
                os.kill(one.workers()[0], signal.SIGKILL)
        wait_for(one.greets, "a worker")
    wait_for(lambda: len(one.delivered()) >= 5 - 2, "what may go out")
    assert len(held(one)) >= taken - 5
    sent = {line for mail in one.delivered() for line in mail.split(b"\n") if line.startswith(b"Subject: burst")}
    assert len(sent) <= 5  # each of them once, or twice where its worker was killed at the end of it
