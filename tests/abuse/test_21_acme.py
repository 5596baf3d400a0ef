"""Classes 14, 15 and 21 for ACME: crowds at the port of a challenge, users who ask for certificates, a silent authority."""

import contextlib
import os
import signal
import socket
import threading
from pathlib import Path

from tests.integration.pebble import Pebble
from tests.integration.system import alive
from tests.support.ordinary_users import script_of_user
from tests.support.running import OWNER, System, open_files, wait_for

_CROWD = 300  # connections that one attacker holds


def _settings(pebble: Pebble, **more: str) -> dict[str, str]:
    return {
        "acme_directory_url": pebble.directory,
        "acme_directory_ca_file": str(pebble.ca_file),
        "acme_http_listen": f"127.0.0.1:{pebble.http}",
        "acme_tls_alpn_listen": f"127.0.0.1:{pebble.tls}",
        **more,
    }


def _hold(port: int, over: threading.Event) -> None:
    """Open connections and say half of a question, as fast as they are lost."""
    held: list[socket.socket] = []
    while not over.is_set():
        with contextlib.suppress(OSError):
            one = socket.create_connection(("127.0.0.1", port), 1)
            held.append(one)
            one.sendall(b"GET /.well-known/acme-challenge/")
        for old in held[:-_CROWD]:
            old.close()
        del held[:-_CROWD]
        over.wait(0.001)
    for one in held:
        one.close()


def test_a_crowd_at_the_port_keeps_no_certificate_away() -> None:
    for challenge in ("http-01", "tls-alpn-01"):
        with Pebble(slow=True) as pebble:
            over = threading.Event()
            port = pebble.http if challenge == "http-01" else pebble.tls
            crowd = [threading.Thread(target=_hold, args=(port, over)) for _ in range(3)]
            for one in crowd:
                one.start()
            try:
                with System(_settings(pebble, acme_challenge=challenge)) as system:
                    system.logged("acme", "was issued", seconds=90)
            finally:
                over.set()
                for one in crowd:
                    one.join()


_ASK = """
import socket
with socket.socket(socket.AF_UNIX) as client:
    client.settimeout(20)
    try:
        client.connect({where!r})
        client.sendall(b"renew\\n")
        print(client.recv(1000))
    except OSError as error:
        print(error.strerror)
"""


def test_no_user_has_certificates_issued() -> None:
    """mail_owner, as whom a worker that was taken over acts, reaches the socket, and is not answered; others do not reach it. Where
    the mail system is a user's own, there is nobody else."""
    if os.getuid() != 0:
        return
    with Pebble() as pebble, System(_settings(pebble)) as system:
        system.logged("acme", "was issued")
        where = str(system.spool / "gatepost" / "acme")
        told = [script_of_user(user, _ASK.format(where=where)).communicate()[0].strip() for user in (OWNER, "daemon")]
        assert told == [b"b''", b"Permission denied"]
        for junk in (b"x" * 100_000, b"renew", b"\n", b"revoke\n"):
            with socket.socket(socket.AF_UNIX) as client, contextlib.suppress(OSError):
                client.settimeout(20)
                client.connect(where)
                client.sendall(junk)
                client.shutdown(socket.SHUT_WR)
                assert client.recv(1000) == b""
        assert pebble.output().count("Added order") == 1
        assert system.command("acme", "renew").returncode == 0


def test_an_authority_that_never_answers_is_asked_once() -> None:
    """Whoever is killed meanwhile does not ask again at once: restarts must not cost the authority's patience."""
    with socket.create_server(("127.0.0.1", 0)) as authority:
        authority.settimeout(30)
        url = f"https://127.0.0.1:{authority.getsockname()[1]}/directory"
        with System({"acme_directory_url": url}) as system:
            first, _ = authority.accept()
            [speaking] = [pid for pid in system.pids() if _speaks(pid, authority.getsockname()[1])]
            os.kill(speaking, signal.SIGKILL)
            wait_for(lambda: not alive(speaking), "its end")
            system.logged(f"process acme pid {speaking} killed by signal 9")
            wait_for(lambda: "cut off" in system.command("acme", "status").stdout, "what is told of it", 30)
            assert system.send(), "mail is served meanwhile"
            authority.settimeout(3)
            with contextlib.suppress(TimeoutError):
                authority.accept()
                raise AssertionError("it asked again")
            first.close()


def _speaks(pid: int, port: int) -> bool:
    """Whether a process has a connection to a port of this host (proc(5))."""
    rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    wanted = {row[9] for row in rows if row[2].endswith(f":{port:04X}")}
    return any(name.removeprefix("socket:[").removesuffix("]") in wanted for name in open_files(pid))
