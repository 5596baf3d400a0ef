"""Resource exhaustion by connections: a flood from one client, thousands that idle, more than there are descriptors for.

A client over its limits is told so and costs no other client anything; when the flood is over all is as before.
"""

import contextlib
import resource
import socket

import pytest

from tests.support.running import MASTER, Client, System, wait_for
from tests.support.sink import Sink

_OTHER = "127.0.0.2"
_ONE_WORKER = {"worker_processes": "1", "smtpd_client_event_limit_exceptions": "", "smtpd_error_sleep_time": "0"}
IDLE = 2000
_KILOBYTES = 40  # of memory that an idle session may take


def _works_for_another(system: System) -> None:
    """A client at another address is served."""
    with Client(system.port, 5.0, _OTHER) as client:
        assert client.greeting[0] == 220
        client.envelope()
        assert client.say("QUIT")[0] == 221


def test_too_many_connections_at_a_time(sink: Sink) -> None:
    with System({**_ONE_WORKER, "smtpd_client_connection_count_limit": "5"}, relay=sink.port) as system:
        wait_for(lambda: "disconnect" in system.log(), "the end of the start")
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(system.client()) for _ in range(50)]
            assert [client.greeting[0] for client in clients] == [220] * 5 + [421] * 45
            assert clients[5].greeting[1] == "4.7.0 mail.example.test Error: too many connections from 127.0.0.1"
            assert {client.reply()[0] for client in clients[5:]} == {0}  # sent away at once
            system.logged("warning: Connection concurrency limit exceeded: 6 from unknown[127.0.0.1] for service")
            assert clients[0].say("NOOP")[0] == 250
            _works_for_another(system)
        wait_for(lambda: system.client().greeting[0] == 220, "a welcome when they are gone", 5)


RATES = {
    # parameter: what is done again and again, the answer over the limit, what the log calls it
    "smtpd_client_message_rate_limit": ("MAIL FROM:<a@example.com>", 450, "Message delivery request"),
    "smtpd_client_recipient_rate_limit": ("RCPT TO:<b@example.net>", 450, "Recipient address"),
}


@pytest.mark.parametrize("parameter", RATES)
def test_too_much_in_a_time_unit(sink: Sink, parameter: str) -> None:
    line, code, title = RATES[parameter]
    with System({**_ONE_WORKER, parameter: "3"}, relay=sink.port) as system:
        codes = []
        for _ in range(5):  # another connection does not help
            with system.client() as client:
                client.say("EHLO client.example.com")
                if "RCPT" in line:
                    client.say("MAIL FROM:<a@example.com>")
                codes.append(client.say(line)[0])
        assert codes == [250] * 3 + [code] * 2
        system.logged(f"warning: {title} rate limit exceeded: 4 from unknown[127.0.0.1]")
        _works_for_another(system)


def test_too_many_connections_in_a_time_unit(sink: Sink) -> None:
    with System({**_ONE_WORKER, "smtpd_client_connection_rate_limit": "10"}, relay=sink.port) as system:
        greetings = []
        for _ in range(30):
            with system.client() as client:
                greetings.append(client.greeting[0])
        assert 8 <= greetings.index(421) <= 10  # the start has looked in as well
        assert set(greetings[10:]) == {421}
        system.logged("warning: Connection rate limit exceeded: 11 from unknown[127.0.0.1]")
        _works_for_another(system)


def test_thousands_of_idle_sessions(sink: Sink) -> None:
    """They take little memory, and mail goes on beside them."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with System({"smtpd_timeout": "300s"}, relay=sink.port) as system, contextlib.ExitStack() as stack:
        assert system.send("X-Id: before\r\n\r\n")
        before = system.resident()
        clients = [stack.enter_context(system.client()) for _ in range(IDLE)]
        assert {client.greeting[0] for client in clients} == {220}
        assert {client.say("EHLO client.example.com")[0] for client in clients} == {250}
        assert system.resident() - before < IDLE * _KILOBYTES * 1024
        assert system.send("X-Id: beside\r\n\r\n")
        wait_for(lambda: sink.ids().get("beside"), "the message", 5)
        assert clients[-1].say("NOOP")[0] == 250


def test_more_connections_than_descriptors(sink: Sink) -> None:
    """The worker neither dies nor spins: who is inside goes on, and when there is room again everybody is served."""
    main = {"worker_processes": "1", "smtpd_timeout": "300s"}
    with System(main, relay=sink.port, prefix=("prlimit", "--nofile=200:200")) as system:
        (worker,) = system.workers()
        with contextlib.ExitStack() as stack:
            inside = stack.enter_context(system.client())
            crowd = [stack.enter_context(_connected(system.port)) for _ in range(400)]
            for connection in crowd:
                with contextlib.suppress(OSError):
                    connection.sendall(b"EHLO client.example.com\r\n")
            before = _cpu_seconds(worker)
            inside.envelope()
            assert inside.say("DATA")[0] == 354
            inside.write(b"X-Id: inside\r\n\r\nbody\r\n.\r\n")
            assert inside.reply()[0] == 250
            wait_for(lambda: sink.ids().get("inside"), "the message of who is inside", 5)
            system.logged("reject: CONNECT from [127.0.0.1]: all server ports busy")
            crowd[0].settimeout(1.0)
            with contextlib.suppress(TimeoutError):
                while crowd[0].recv(4096):
                    pass
            assert _cpu_seconds(worker) - before < 0.8
        assert system.workers() == [worker]
        wait_for(lambda: system.send("X-Id: after\r\n\r\n"), "room again", 10)
        wait_for(lambda: sink.ids().get("after"), "the message", 10)
        assert system.audit().returncode == 0


@pytest.mark.parametrize("maxproc", ["-", "0", "5"])
def test_idle_clients_of_a_policy_service_leave_room_for_mail(sink: Sink, maxproc: str) -> None:
    """More of them than there is room for sessions, none of which says anything."""
    master = MASTER + f"127.0.0.1:{{second}} inet n - n - {maxproc} spf\n"
    main = {"worker_processes": "1"}
    with System(main, master, relay=sink.port, prefix=("prlimit", "--nofile=200:200")) as system, contextlib.ExitStack() as stack:
        for _ in range(150):
            stack.enter_context(_connected(system.second))
        system.logged("connection from 127.0.0.1 refused: all ports busy")
        assert system.send("X-Id: beside\r\n\r\n")
        wait_for(lambda: sink.ids().get("beside"), "the message", 10)


def _connected(port: int) -> socket.socket:
    connection = socket.socket()
    connection.settimeout(5)
    connection.connect(("127.0.0.1", port))
    return connection


def _cpu_seconds(pid: int) -> float:
    with open(f"/proc/{pid}/stat") as file:
        user, system = file.read().rsplit(")", 1)[1].split()[11:13]
    return (int(user) + int(system)) / 100
