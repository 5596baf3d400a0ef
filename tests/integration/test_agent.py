"""What somebody who has taken a worker over gets from the agent, asking over its own socket: nothing that mail has no use for."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gatepost.deliver.mailbox import LockRules, Mailbox
from gatepost.deliver.privileged import (
    AgentClient,
    Answer,
    Done,
    Failed,
    Letter,
    ReadFile,
    Request,
    RunCommand,
    WriteMaildir,
    WriteMbox,
)
from tests.integration.system import System

Make = Callable[..., System]
pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="needs root: else the agent has no privileges")


def _ask(gatepost: System, request: Request, content: bytes = b"") -> Answer:
    return asyncio.run(AgentClient(str(gatepost.spool / "gatepost" / "agent"), 10.0).ask(request, [content]))


def _mailbox(path: str, gid: int = 65534) -> Mailbox:
    """A virtual mailbox, as the configuration has them."""
    return Mailbox(path, 65534, gid, 51200000)


def test_nothing_is_written_as_root(system: Make, tmp_path: Path) -> None:
    gatepost = system().start()
    target = tmp_path / "crontab"
    for box in (Mailbox(str(target), 0, 0), Mailbox(str(target), 65534, 65534, privileged=True)):
        answer = _ask(gatepost, WriteMbox(box, LockRules()), b"* * * * * root id\n")
        assert isinstance(answer, Failed)
        assert answer.enhanced == "4.3.5"
    assert not target.exists()
    gatepost.logged(
        "postfix/agent[", "warning: a worker asked for what the configuration has no use for", f"mailbox {target} of uid=0"
    )


def test_secrets_are_not_read(system: Make, tmp_path: Path) -> None:
    gatepost = system().start()
    secret = tmp_path / "key.pem"
    secret.write_text("secret")
    secret.chmod(0o600)
    tmp_path.chmod(0o755)
    for ids in ((0, 0), (65534, 0), (4711, 4711)):
        answer = _ask(gatepost, ReadFile(str(secret), *ids))
        assert isinstance(answer, Failed), answer


def test_no_command_but_those_of_the_configuration(system: Make) -> None:
    gatepost = system("allow_mail_to_commands =\n").start()
    answer = _ask(gatepost, RunCommand(("/usr/bin/id",), 65534, 65534, 5.0, {}, ""))
    assert isinstance(answer, Failed)
    assert answer.enhanced == "4.3.5"
    gatepost.logged("postfix/agent[", "has no use for: command ('/usr/bin/id',) as uid=65534 gid=65534")


def test_mailboxes_are_written_below_their_base_only(system: Make) -> None:
    gatepost = system().start()
    base = gatepost.folder / "Maildir"
    inside = _ask(gatepost, WriteMaildir(_mailbox(f"{base}/other/")), b"mail\n")
    assert isinstance(inside, Done), inside
    outside = _ask(gatepost, WriteMaildir(_mailbox(f"{gatepost.folder}/elsewhere/")), b"mail\n")
    assert isinstance(outside, Failed)
    assert outside.enhanced == "4.3.5"
    for gid in (0, 8, 42, 4711):
        stranger = _ask(gatepost, WriteMaildir(_mailbox(f"{base}/stranger/", gid)), b"mail\n")
        assert isinstance(stranger, Failed)


def test_letters_are_judged_one_by_one(system: Make) -> None:
    gatepost = system().start()
    base = gatepost.folder / "Maildir"
    paths = (f"{base}/other/", f"{gatepost.folder}/elsewhere/", "/etc/", f"{base}/another/")
    letters = tuple(Letter(_mailbox(path), path.encode()) for path in paths)
    agent = AgentClient(str(gatepost.spool / "gatepost" / "agent"), 10.0)
    answers = asyncio.run(agent.deliver(letters))
    assert [type(answer) for answer in answers] == [Done, Failed, Failed, Done]
    for path in (paths[0], paths[3]):
        (file,) = Path(path, "new").iterdir()
        assert file.read_bytes() == path.encode()
        assert (file.stat().st_uid, file.stat().st_gid, file.stat().st_mode & 0o777) == (65534, 65534, 0o600)
    assert not Path(paths[1]).exists()


def _status(pid: int) -> dict[str, str]:
    return {name: value.strip() for name, _, value in (line.partition(":") for line in open(f"/proc/{pid}/status"))}


def _agent(gatepost: System) -> int:
    """The pid of the agent: the only child of the supervisor that is root."""
    (pid,) = (pid for pid in gatepost.pids()[:-1] if _status(pid)["Uid"].split()[1] == "0")
    return pid


def test_the_agent_has_no_more_of_roots_powers_than_it_needs(system: Make) -> None:
    gatepost = system().start()
    status = _status(_agent(gatepost))
    chown, kill, setgid, setuid, chroot = (1 << number for number in (0, 5, 6, 7, 18))
    assert int(status["CapPrm"], 16) == int(status["CapEff"], 16) == chown | kill | setgid | setuid | chroot
    assert int(status["CapInh"], 16) == int(status["CapAmb"], 16) == 0
    sys_admin, sys_ptrace, net_admin, sys_module, mknod = (1 << number for number in (21, 19, 12, 16, 27))
    assert not int(status["CapBnd"], 16) & (sys_admin | sys_ptrace | net_admin | sys_module | mknod)
    assert status["NoNewPrivs"] == "0"
    assert status["Groups"] == ""


def test_commands_gain_nothing_where_the_administrator_says_so(system: Make) -> None:
    gatepost = system("command_no_new_privileges = yes\n").start()
    assert _status(_agent(gatepost))["NoNewPrivs"] == "1"
