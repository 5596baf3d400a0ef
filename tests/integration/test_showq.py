"""public/showq and public/flush: Postfix's own commands read and flush our queue, users are asked who they are by the kernel,
and nobody's silence costs another user an answer."""

import contextlib
import json
import os
import smtplib
import socket
import subprocess
from collections.abc import Iterator

import pytest

from gatepost.proto.attributes import Reader
from gatepost.queue.listing_attributes import from_attributes
from tests.support.free_ports import free_port
from tests.support.ordinary_users import as_user, script_of_user
from tests.support.running import System, wait_for

_POSTFIX = "/usr/sbin/postqueue"
_ALICE, _BOB = 40001, 40002  # uids of nobody
_MAIN = {"relay_domains": "far.test", "queue_run_delay": "1h", "minimal_backoff_time": "1h", "maximal_backoff_time": "1h"}


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    with System(_MAIN, relay=free_port()) as one:
        assert one.send(to='"q r"@far.test', sender="")
        assert one.send(to="x@else.test", sender="s@here.test")
        wait_for(lambda: [json.loads(line)["queue_name"] for line in one.queue()] == ["deferred"] * 2, "two deferred messages")
        yield one


def read_all(system: System, service: str, send: bytes = b"") -> bytes:
    """What a local service says until it hangs up."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(str(system.spool / "public" / service))
        if send:
            client.sendall(send)
        octets = b""
        while chunk := client.recv(65536):
            octets += chunk
    return octets


def postfix(system: System, *words: str) -> "subprocess.CompletedProcess[str]":
    """Debian's postqueue, at our queue. Its configuration is its own: it would not work for a mail_owner who is default_privs."""
    conf = system.folder / "postfix"
    conf.mkdir(exist_ok=True)
    main = {
        "compatibility_level": "3.6",
        "queue_directory": system.spool,
        "relay_domains": "far.test",
        "enable_long_queue_ids": "yes",
    }
    (conf / "main.cf").write_text("".join(f"{name} = {value}\n" for name, value in main.items()))
    return subprocess.run([_POSTFIX, "-c", str(conf), *words], capture_output=True, text=True, timeout=60)


def test_the_listing_comes_to_whoever_connects(system: System) -> None:
    messages = list(from_attributes(Reader(1 << 20).feed(read_all(system, "showq"))))
    assert [(one.sender, one.queue, one.runs[0].addresses) for one in messages] == [
        ("", "deferred", ("q r@far.test",)),
        ("s@here.test", "deferred", ("x@else.test",)),
    ]


def test_commands_of_postfix_read_our_queue(system: System) -> None:
    assert [json.loads(line) for line in postfix(system, "-j").stdout.splitlines()] == [json.loads(line) for line in system.queue()]
    assert postfix(system, "-p").stdout == system.command("postqueue", "-p").stdout


def test_users_read_what_root_reads(system: System) -> None:
    for form in ("-p", "-j"):
        assert as_user(system, _ALICE, "postqueue", form).stdout == system.command("postqueue", form).stdout


@pytest.mark.parametrize("words", [("-s", "far.test"), ("-i", "ID")])
def test_mail_is_flushed_for_postfix_commands_and_for_users(system: System, words: tuple[str, str]) -> None:
    identity = json.loads(system.queue()[0])["queue_id"]
    option, what = words[0], identity if words[1] == "ID" else words[1]
    attempts = lambda: sum(identity in line and "status=deferred" in line for line in system.log().splitlines())  # noqa: E731
    for ask in (lambda: postfix(system, option, what), lambda: as_user(system, _ALICE, "postqueue", option, what)):
        before = attempts()
        done = ask()
        assert (done.returncode, done.stderr) == (0, "")
        wait_for(lambda before=before: attempts() > before, "another attempt")


def test_all_mail_is_flushed_for_users(system: System) -> None:
    assert as_user(system, _ALICE, "postqueue", "-f").returncode == 0


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"request\0send_file\0queue_id\0no such id\0\0", b"0"),
        (b"request\0send_site\0\0", b"3"),
        (b"request\0bogus\0\0", b"3"),
        (b"foo\0bar\0\0", b"3"),
        (b"{}\n" + b"x" * 10000, b"3"),
    ],
)
def test_what_is_no_request_is_told_so(system: System, request_: bytes, status: bytes) -> None:
    with contextlib.suppress(ConnectionError):  # too long a request is not read to its end
        assert read_all(system, "flush", request_).endswith(b"status\0" + status + b"\0\0")


def test_users_who_are_not_listed_learn_so() -> None:
    with System({"authorized_mailq_users": "root", "authorized_flush_users": "!static:anyone"}) as system:
        for option, verb in (("-p", "view"), ("-f", "flush")):
            refused = as_user(system, _ALICE, "postqueue", option)
            assert refused.returncode == os.EX_UNAVAILABLE
            assert f"User unknown({_ALICE}) is not allowed to {verb} the mail queue" in refused.stderr
        assert read_all(system, "showq").startswith(b"protocol\0")  # root always may


_SILENT = """\
import select, socket, sys
clients = []
for _ in range({count}):
    client = socket.socket(socket.AF_UNIX)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    client.connect({path!r})
    clients.append(client)
print("connected", flush=True)
sys.stdin.readline()
first = select.poll()
first.register(clients[0], 0)
print("given up" if first.poll(0) else "served", flush=True)
"""


@pytest.mark.parametrize("service", ["showq", "flush"])
def test_silent_clients_of_one_user_shut_out_no_other(system: System, service: str) -> None:
    """They neither read nor write: flush waits for what they want, and showq for them to read on, for the queue is long."""
    many = [f"{'x' * 60}{number}@{'y' * 60}.{'z' * 60}.test" for number in range(1000)]
    with smtplib.SMTP("127.0.0.1", system.port, timeout=60) as client:
        client.sendmail("s@here.test", many, "Subject: long\r\n\r\nx\r\n")
    script = _SILENT.format(count=60, path=str(system.spool / "public" / service))
    with script_of_user(_ALICE, script) as silent:
        assert silent.stdin
        assert silent.stdout
        assert silent.stdout.readline() == b"connected\n"
        for word in ("-p", "-f"):
            assert as_user(system, _BOB, "postqueue", word).returncode == 0
        silent.stdin.write(b"\n")
        silent.stdin.flush()
        assert silent.stdout.readline() == b"served\n"  # still: nobody had to wait for their deadline
