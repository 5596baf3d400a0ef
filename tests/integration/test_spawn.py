"""spawn(8) lines of master.cf: commands that serve a connection each, as their user, by the process that has the rights."""

import os
import pwd
import socket
from pathlib import Path

import pytest

from tests.support.running import MASTER, OWNER, System, lives, wait_for
from tests.support.sink import Sink

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="another user's rights need root")

POLICYD = "/usr/bin/policyd-spf"


def talk(port: int, said: bytes = b"") -> bytes:
    """All that is answered until the other side hangs up."""
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        connection.sendall(said)
        connection.shutdown(socket.SHUT_WR)
        heard = b""
        while more := connection.recv(4096):
            heard += more
        return heard


def line(command: str, name: str = "127.0.0.1:{second}", kind: str = "inet", user: str = "nobody", limit: str = "0") -> str:
    return f"{name} {kind} n n n - {limit} spawn user={user} argv={command}\n"


def test_a_command_serves_a_connection_as_its_user_with_nothing_of_ours() -> None:
    what = "/bin/sh -c {id -u; id -g; id -G; pwd; env; ls /proc/self/fd | wc -l; cat}"
    with System({"export_environment": "TZ=UTC"}, MASTER + line(what)) as system:
        wait_for(lambda: talk(system.second), "an answer")
        told = talk(system.second, b"hello\n").decode().split("\n")
        nobody = pwd.getpwnam("nobody")
        assert told[:4] == [str(nobody.pw_uid), str(nobody.pw_gid), str(nobody.pw_gid), str(system.spool)]
        assert {word.partition("=")[0] for word in told[4:-3]} <= {"PATH", "TZ", "PWD", "OLDPWD", "SHLVL", "_"}
        assert told[-3].strip() == "4", "standard input, output, errors, and that of ls"
        assert told[-2] == "hello"


def test_as_many_at_one_time_as_the_line_says_the_others_wait() -> None:
    with System({}, MASTER + line("/bin/sh -c {echo here; cat}", limit="1")) as system:
        first = socket.create_connection(("127.0.0.1", system.second), 20)
        assert first.recv(100) == b"here\n"
        second = socket.create_connection(("127.0.0.1", system.second), 20)
        second.settimeout(0.5)
        with pytest.raises(TimeoutError):
            second.recv(100)
        first.close()
        second.settimeout(20)
        assert second.recv(100) == b"here\n"
        second.close()


def test_a_command_is_killed_when_its_time_is_over_with_all_that_it_has_started() -> None:
    what = "/bin/sh -c {sleep 3600 & echo here; wait}"
    with System({"slow_time_limit": "1s"}, MASTER + line(what, name="slow", kind="unix")) as system:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(20)
            wait_for(lambda: (system.spool / "public/slow").exists() or (system.spool / "private/slow").exists(), "the socket")
            path = next(one for one in (system.spool / "public/slow", system.spool / "private/slow") if one.exists())
            connection.connect(str(path))
            assert connection.recv(100) == b"here\n"
            assert connection.recv(100) == b""
        system.logged("/spawn[", "command /bin/sh: time limit exceeded")


def connect(path: Path) -> socket.socket:
    """A connection to a socket as soon as it is there."""
    wait_for(path.exists, "the socket")
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(20)
    connection.connect(str(path))
    return connection


def parent_of_command(system: System, word: str) -> int:
    """The process that has started a command with that word among its arguments."""
    for pid in system.pids():
        if word.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
            return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    raise AssertionError(word)


def test_a_command_keeps_its_time_limit_over_a_reload_and_new_ones_are_served() -> None:
    """The agent that started it stays for it; its successor serves who comes now, as the configuration is now."""

    def slow(word: str) -> str:
        return MASTER + line(f"/bin/sh -c {{sleep 3600 & echo {word}; wait}}", name="slow", kind="unix")

    with System({"slow_time_limit": "5s"}, slow("early")) as system:
        path = system.spool / "public/slow"
        with connect(path) as early:
            assert early.recv(100) == b"early\n"
            agent = parent_of_command(system, "echo early")
            system.configure(master=slow("late"))
            system.reload()
            system.logged("reload -- version")
            wait_for(lambda: _said(path) == b"late\n", "the next agent")
            assert lives(agent)
            assert early.recv(100) == b""
        system.logged("/spawn[", "command /bin/sh: time limit exceeded")
        wait_for(lambda: not lives(agent), "the end of the old agent")


def _said(path: Path) -> bytes:
    with connect(path) as connection:
        return connection.recv(100)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("user=root argv=/bin/id", "user= command-line attribute specifies root privileges: root"),
        ("user=no_such_user argv=/bin/id", "unknown username: no_such_user"),
        ("argv=/bin/id", "missing user= command-line attribute"),
        ("user=nobody", "missing argv= command-line attribute"),
        ("user=nobody flags=x argv=/bin/id", "unknown attribute name: flags=x"),
    ],
)
def test_a_line_that_is_wrong_runs_nothing_and_is_named(arguments: str, told: str) -> None:
    with System({}, MASTER + "127.0.0.1:{second} inet n n n - 0 spawn " + arguments + "\n") as system:
        assert talk(system.second) == b""
        system.logged("warning", "master.cf, line 2", told)


def test_a_command_that_is_not_there_or_fails_is_named_and_the_next_is_served() -> None:
    master = MASTER + line("/no/such/command") + line("/bin/sh -c {exit 3}", name="127.0.0.1:{third}")
    with System({}, master) as system:
        assert talk(system.second) == b""
        system.logged("warning", "/no/such/command", "No such file or directory")
        for _ in range(2):
            assert talk(system.third) == b""
        system.logged("warning", "command /bin/sh exit status 3")


def test_debians_policyd_spf() -> None:
    """The usual line, and the usual restriction."""
    assert Path(POLICYD).exists(), "apt-get install postfix-policyd-spf-python"
    main = {"smtpd_recipient_restrictions": "check_policy_service unix:private/policyd-spf, permit_mynetworks, reject"}
    master = MASTER + f"policyd-spf unix - n n - 0 spawn user={OWNER} argv={POLICYD}\n"
    with Sink() as sink, System(main, master, relay=sink.port) as system:
        assert system.send()
        (message,) = wait_for(lambda: sink.taken, "the message")
    assert b"X-Comment: SPF " in message.content


def test_a_command_of_pipe_outlives_a_reload_and_runs_once() -> None:
    """The agent that runs it stays until it has ended, for the worker whose delivery it is."""
    master = MASTER + "slow unix - n n - - pipe user=daemon argv=/bin/sh {dir}/slow\n"
    with System({"default_transport": "slow", "relayhost": ""}, master) as system:
        ran = system.folder / "ran"
        ran.write_text("")
        ran.chmod(0o666)
        script = system.folder / "slow"
        script.write_text(f"cat >/dev/null\necho began >>{ran}\nsleep 4\necho ended >>{ran}\n")
        script.chmod(0o755)
        assert system.send()
        wait_for(lambda: ran.read_text() == "began\n", "the command")
        system.reload()
        system.logged("reload -- version")
        system.logged("relay=slow", "status=sent")
        wait_for(lambda: not system.queue(), "an empty queue")
        assert ran.read_text() == "began\nended\n"
