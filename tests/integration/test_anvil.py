"""Client counts and rates are those of the whole machine, not of one worker (anvil(8))."""

import contextlib
import os
import signal
from collections.abc import Callable, Iterator

from tests.integration.system import System
from tests.support.running import Client, wait_for

Make = Callable[..., System]

_OUTSIDER = "127.0.0.2"
_OUTSIDE = "mynetworks = 127.0.0.1/32\nworker_processes = 2\n"


@contextlib.contextmanager
def _only(gatepost: System, serving: int) -> Iterator[None]:
    """Have one worker take what connects meanwhile: the others are stopped."""
    others = [pid for pid in gatepost.workers() if pid != serving]
    for pid in others:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in others:
            os.kill(pid, signal.SIGCONT)


def _two_workers(gatepost: System) -> list[int]:
    return wait_for(lambda: pids if len(pids := gatepost.workers()) == 2 else [], "two workers")


def _connect(gatepost: System, worker: int) -> Client:
    with _only(gatepost, worker):
        return Client(gatepost.port, source=_OUTSIDER)


def test_connections_to_all_workers_count_together_and_a_dead_ones_vanish(system: Make) -> None:
    gatepost = system(_OUTSIDE + "smtpd_client_connection_count_limit = 2\n").start()
    one, two = _two_workers(gatepost)
    with _connect(gatepost, one) as first, _connect(gatepost, two) as second:
        assert (first.greeting[0], second.greeting[0]) == (220, 220)
        for worker in one, two:
            with _connect(gatepost, worker) as third:
                assert third.greeting == (421, "4.7.0 mail.example.test Error: too many connections from 127.0.0.2")
        gatepost.logged(f"smtpd[{two}]: warning: Connection concurrency limit exceeded: 3 from unknown[127.0.0.2] for service")
        os.kill(one, signal.SIGKILL)
        wait_for(lambda: one not in gatepost.pids() and len(gatepost.workers()) == 2, "a worker in its place")
        with _connect(gatepost, two) as third:
            assert third.greeting[0] == 220
            with _connect(gatepost, two) as fourth:
                assert fourth.greeting[0] == 421


def test_counts_outlive_a_reload(system: Make) -> None:
    gatepost = system(_OUTSIDE + "smtpd_client_connection_count_limit = 1\n").start()
    before = _two_workers(gatepost)
    with _connect(gatepost, before[0]) as first:
        gatepost.reload()
        gatepost.logged("master", "reload --")
        after = wait_for(lambda: [pid for pid in gatepost.workers() if pid not in before], "new workers")
        with _connect(gatepost, after[0]) as second:
            assert second.greeting[0] == 421
        assert first.say("QUIT")[0] == 221
    with _connect(gatepost, after[0]) as third:
        assert third.greeting[0] == 220


def test_rates_of_all_workers_count_together_and_peaks_are_logged(system: Make) -> None:
    gatepost = system(
        _OUTSIDE + "smtpd_client_message_rate_limit = 2\nsmtpd_client_recipient_rate_limit = 9\nanvil_status_update_time = 3s\n"
    ).start()
    one, two = _two_workers(gatepost)
    with _connect(gatepost, one) as first, _connect(gatepost, two) as second:
        first.envelope("a@example.com", "b@example.test", "c@example.test")
        second.envelope("a@example.com", "b@example.test")
        first.say("RSET")
        assert first.say("MAIL FROM:<a@example.com>") == (450, "4.7.1 Error: too much mail from 127.0.0.2")
    gatepost.logged(f"smtpd[{one}]: warning: Message delivery request rate limit exceeded: 3 from unknown[127.0.0.2] for service")
    ident = f"(127.0.0.1:{gatepost.port}:127.0.0.2)"
    for peak in (
        f"max connection rate 2/60s for {ident} at ",
        f"max connection count 2 for {ident} at ",
        f"max message rate 3/60s for {ident} at ",
        f"max recipient rate 3/60s for {ident} at ",
        "max cache size 1 at ",
    ):
        gatepost.logged(f"postfix/anvil[{gatepost.supervisor()}]: statistics: {peak}")


def test_those_who_are_spared_are_not_counted(system: Make) -> None:
    gatepost = system(_OUTSIDE + "smtpd_client_connection_count_limit = 1\nanvil_status_update_time = 1s\n").start()
    with gatepost.client() as first, gatepost.client() as second:
        assert (first.greeting[0], second.greeting[0]) == (220, 220)
    with _connect(gatepost, gatepost.workers()[0]), _connect(gatepost, gatepost.workers()[0]) as counted:
        assert counted.greeting[0] == 421
    assert "count 2 for (127.0.0.1:" in gatepost.logged("statistics: max connection count")
    assert f"(127.0.0.1:{gatepost.port}:127.0.0.1)" not in gatepost.log()
