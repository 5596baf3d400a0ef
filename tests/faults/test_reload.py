"""Reloads under load: not one refused connection, and a bad configuration changes nothing."""

import time

import pytest

from tests.support.crowd import Crowd
from tests.support.running import MASTER, System, wait_for
from tests.support.sink import Sink


class Visitors(Crowd):
    """Clients that connect, greet and leave all the time; `trouble` holds what went wrong."""

    def __init__(self, system: System) -> None:
        self.visits = 0
        self.trouble: list[str] = []
        self._system = system
        super().__init__(self._run, 4)

    def _run(self, _: int) -> None:
        while not self.over.is_set():
            try:
                with self._system.client() as client:
                    if client.greeting[0] not in (220, 421):
                        self.trouble.append(f"greeting {client.greeting}")
                    client.say("QUIT")
                    self.visits += 1
            except OSError as error:
                self.trouble.append(repr(error))


def test_no_connection_is_refused() -> None:
    with Sink() as sink, System(relay=sink.port) as system:
        with Visitors(system) as visitors:
            for number in range(5):
                system.configure({"smtpd_banner": f"$myhostname ESMTP number {number}"})
                system.reload()
                wait_for(lambda: f"number {number}" in system.client().greeting[1], f"configuration {number}")
        assert not visitors.trouble, visitors.trouble
        assert visitors.visits > 100


def test_a_transaction_outlives_a_reload() -> None:
    with Sink() as sink, System(relay=sink.port) as system, system.client() as client:
        client.envelope()
        assert client.say("DATA")[0] == 354
        system.reload()
        system.logged("reload -- version")
        time.sleep(0.5)
        client.write(b"X-Id: slow\r\n\r\nbody\r\n.\r\n")
        assert client.reply()[0] == 250
        wait_for(lambda: sink.ids().get("slow") == 1, "the message")


def test_a_delivery_outlives_a_reload() -> None:
    """The next hop takes longer to say that it has a message than a worker that is stopped would wait: it gets it once."""
    with Sink(delay=8) as sink, System(relay=sink.port) as system:
        assert system.send("X-Id: slow\r\n\r\n")
        wait_for(lambda: any(line.startswith(b"DATA") for line in sink.commands), "the delivery")
        system.reload()
        system.logged("reload -- version")
        system.logged("status=sent", seconds=30)
        time.sleep(1)
        assert sink.ids() == {"slow": 1}
        assert len([line for line in sink.commands if line.startswith(b"DATA")]) == 1


def test_a_service_that_is_gone_leaves_no_name_behind() -> None:
    """Whoever looks for it is told that there is none, and not refused by a name that nobody serves."""
    more = MASTER + "one unix - - n - - smtpd\ntwo unix n - n - - smtpd\n"
    with System(master=more) as system:
        names = [system.spool / "private/one", system.spool / "public/two"]
        assert all(name.is_socket() for name in names)
        system.master = MASTER + "one unix - - n - - smtpd\n"
        system.configure()
        system.reload()
        system.logged("reload -- version")
        wait_for(lambda: [name.exists() for name in names] == [True, False], "the name to go")


_BAD_LISTENER = MASTER + "192.0.2.77:{second} inet n - n - - smtpd\n"


@pytest.mark.parametrize(
    ("main", "master", "named"),
    [
        ({"smtpd_timeout": "soon"}, MASTER, "smtpd_timeout"),
        ({"smtpd_relay_restrictions": "permit"}, MASTER, "smtpd_relay_restrictions"),
        ({}, _BAD_LISTENER, "192.0.2.77"),
        ({}, MASTER + "this is no service\n", "master.cf"),
    ],
)
def test_a_bad_configuration_is_refused_and_the_old_one_runs_on(main: dict[str, str], master: str, named: str) -> None:
    with Sink() as sink, System(relay=sink.port) as system:
        good = system.main
        system.configure(main, master)
        system.reload()
        system.logged("error: reload refused, the old configuration keeps running")
        system.logged(named)
        assert system.send("X-Id: meanwhile\r\n\r\n")
        system.main = good
        system.configure(master=MASTER)
        told = system.command("reload")
        assert told.returncode == 0, told.stderr
        system.logged("reload -- version")
        assert "exit status 0" not in system.log()
        wait_for(lambda: sink.ids(), "the message")


def test_the_command_refuses_a_bad_configuration_by_name() -> None:
    with System() as system:
        system.configure({"message_size_limit": "many"})
        told = system.command("reload")
        assert told.returncode != 0
        assert "message_size_limit" in told.stderr
        assert system.greets()
