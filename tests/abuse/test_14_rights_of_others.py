"""Class 14: privilege separation. Links and exchanged directories in homes and spools, lists and .forward files of others, and a
worker that somebody has taken over, who asks the agent for all that could be of use to him.

Examples: CVE-2011-0412 and CVE-2008-2936 Postfix (mailbox links), Qualys' OpenSMTPD and Exim findings of 2020 and 2021.
"""

import asyncio
import ctypes
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from gatepost.deliver.mailbox import LockRules, Mailbox
from gatepost.deliver.privileged import AgentClient, Answer, Done, Failed, ReadFile, Request, RunCommand, WriteMaildir, WriteMbox
from tests.support.running import wait_for
from tests.support.users import IDS, Houses

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="needs root: else nothing is done as another user")

SECRET = "root-only-secret"
_ALIASES = """\
staff :include:{dir}/home/mallory/list
shared :include:{dir}/shared/list
own :include:{dir}/lists/own
pager "|/bin/sh -c 'echo paged'"
archive {dir}/archive
"""
_MASTER = """\
fixed unix - n n - - pipe user=alice argv=/usr/bin/touch {dir}/out/fixed
"""


@pytest.fixture(scope="module")
def houses() -> Iterator[Houses]:
    virtual = {
        "virtual_mailbox_domains": "virtual.test", "virtual_mailbox_base": "{dir}/vmail", "virtual_mailbox_maps": "static:box/",
        "virtual_uid_maps": "static:2010", "virtual_gid_maps": "static:2010", "mailbox_command_maps": "inline:{{bob=/bin/cat}}",
    }  # fmt: skip
    system = Houses(virtual, _MASTER, _ALIASES)
    for name, owner in (("vmail", "vmail"), ("shared", "root"), ("lists", "root"), ("trap", "root"), ("out", "alice")):
        (system.folder / name).mkdir()
        system.give(system.folder / name, owner)
    (system.folder / "shared").chmod(0o777)
    system.give(system.folder / "secret", "root", f"{SECRET}@there.test\n")
    system.give(system.folder / "lists" / "own", "root", "alice\n")
    system.give(system.home("alice") / ".forward", "alice", '"|/bin/cat", ~/inbox, :include:~/friends\n', 0o644)
    with system:
        yield system


def _failed(system: Houses, to: str) -> str:
    """Send a message; the log line that says that it was not delivered."""
    before = len(system.log().splitlines())
    assert system.send(to=to)

    def line() -> str:
        lines = system.log().splitlines()[before:]
        return next((line for line in lines if f"to=<{to}>" in line and "status=" in line and "status=sent" not in line), "")

    return wait_for(line, lambda: f"a failure for {to}\n{system.log()[-3000:]}", 30)


# Links


@pytest.mark.parametrize("at", ["Maildir", "Maildir/new", "Maildir/tmp"])
def test_a_maildir_that_leads_elsewhere(houses: Houses, at: str) -> None:
    home, trap = houses.home("mallory"), houses.folder / "trap"
    for name in ("tmp", "new", "cur"):
        (trap / name).mkdir(exist_ok=True)
        houses.give(trap / name, "mallory")  # she could write there: it is not for the mail system to do so for her
    os.system(f"rm -rf {home}/Maildir")
    if "/" in at:
        for name in {"tmp", "new", "cur"} - {at.partition("/")[2]}:
            (home / "Maildir" / name).mkdir(parents=True, exist_ok=True)
            houses.give(home / "Maildir" / name, "mallory")
        houses.give(home / "Maildir", "mallory")
    (home / at).symlink_to(trap / at.partition("/")[2])
    houses.give(home / at, "mallory")
    _failed(houses, "mallory@here.test")
    assert not list(trap.rglob("*.*"))
    (home / at).unlink()


def test_a_maildir_that_is_exchanged_all_the_time(houses: Houses) -> None:
    """Directory and link take turns while mail comes: none of it goes to where the link leads."""
    home, trap = houses.home("vmail"), houses.folder / "race"
    for folder in (trap, home / "Maildir"):
        for name in ("tmp", "new", "cur"):
            (folder / name).mkdir(parents=True)
            houses.give(folder / name, "vmail")
        houses.give(folder, "vmail")
    (home / "link").symlink_to(trap)
    houses.give(home / "link", "vmail")
    ended, exchange_names = threading.Event(), ctypes.CDLL(None).renameat2
    names = (-100, str(home / "Maildir").encode(), -100, str(home / "link").encode(), 2)  # AT_FDCWD, RENAME_EXCHANGE

    def exchange() -> None:
        while not ended.is_set():
            assert exchange_names(*names) == 0

    juggler = threading.Thread(target=exchange)
    juggler.start()
    try:
        for _ in range(60):
            assert houses.send(to="vmail@here.test")
        wait_for(lambda: houses.log().count("to=<vmail@here.test>") > 60, lambda: houses.log()[-3000:], 40)
    finally:
        ended.set()
        juggler.join()
    assert not list(trap.rglob("*.*"))


@pytest.mark.parametrize("kind", ["symbolic", "hard", "foreign"])
def test_a_mailbox_in_a_spool_that_everybody_may_write_to(kind: str) -> None:
    system = Houses({"home_mailbox": "", "mail_spool_directory": "{dir}/mail"})
    spool = system.folder / "mail"
    spool.mkdir()
    spool.chmod(0o1777)
    victim = system.give(system.folder / "victim", "bob", "precious\n", 0o666)
    box = spool / "bob"
    if kind == "symbolic":
        box.symlink_to(victim)
        system.give(box, "mallory")
    elif kind == "hard":
        os.link(victim, box)
    else:
        system.give(box, "mallory", "", 0o666)  # to read what comes for bob
    with system:
        _failed(system, "bob@here.test")
        assert victim.read_text() == "precious\n"
        assert kind != "foreign" or box.read_text() == ""
        assert system.send(to="alice@here.test")
        wait_for(lambda: (spool / "alice").exists(), lambda: system.log()[-3000:])
        status = (spool / "alice").stat()
        assert (status.st_uid, status.st_mode & 0o777) == (IDS["alice"], 0o600)


# Lists of others


@pytest.mark.parametrize("trick", ["link", "hard link", "world-writable", "fifo"])
def test_a_forward_file_that_is_not_the_users_own(houses: Houses, trick: str) -> None:
    """It does not count, and the mail comes to the mailbox."""
    forward, count = houses.home("bob") / ".forward", len(houses.log().splitlines())
    if trick == "link":
        forward.symlink_to(houses.home("alice") / ".forward")
        houses.give(forward, "bob")
    elif trick == "hard link":
        os.link(houses.home("alice") / ".forward", forward)
    elif trick == "fifo":
        os.mkfifo(forward)
        houses.give(forward, "bob")
    else:
        houses.give(forward, "bob", "elsewhere@there.test\n", 0o666)
    try:
        assert houses.send(to="bob@here.test")
        ended = lambda: [line for line in houses.log().splitlines()[count:] if "to=<bob@here.test>" in line]  # noqa: E731
        (line,) = wait_for(ended, lambda: houses.log()[-3000:], 20)
        assert "delivered to command: /bin/cat" in line  # mailbox_command_maps: his own, and none of alice's
    finally:
        forward.unlink()


@pytest.mark.parametrize("place", ["home/mallory/list", "shared/list"])
@pytest.mark.parametrize("how", ["link", "hard link", "directory"])
def test_a_list_of_roots_aliases_that_leads_to_a_file_of_root(houses: Houses, place: str, how: str) -> None:
    path, secret = houses.folder / place, houses.folder / "secret"
    if how == "link":
        path.symlink_to(secret)
    elif how == "hard link":
        os.link(secret, path)
    else:
        path.mkdir()
    try:
        _failed(houses, "staff@here.test" if "mallory" in place else "shared@here.test")
        assert SECRET not in houses.log()
        answer = _ask(houses, ReadFile(str(path), 0, 0))
        assert isinstance(answer, Failed) or answer.data == b""
    finally:
        os.rmdir(path) if how == "directory" else path.unlink()


# A worker that is taken over


def _ask(system: Houses, request: Request, content: bytes = b"mail\n") -> Answer:
    return asyncio.run(AgentClient(str(system.spool / "gatepost" / "agent"), 20.0).ask(request, [content]))


def _command(system: Houses, *argv: str, name: str = "", forward: str = "", **told: str) -> RunCommand:
    """As local(8) asks; for no `name`, as an alias of root does."""
    uid, home = IDS[name or "bob"], str(system.home(name))
    own = {"HOME": home, "SHELL": "/bin/sh", "LOGNAME": name} if name else {"LOGNAME": "pager"}
    environment = {**_exported(system), "USER": name or "pager", "SENDER": "", **own, **told}
    return RunCommand(argv, uid, uid, 1000.0, environment, str(system.spool), file_limit=51200000, account=name, forward=forward)


def _exported(system: Houses) -> dict[str, str]:
    """What every command gets (export_environment, import_environment)."""
    zone = {"TZ": os.environ["TZ"]} if "TZ" in os.environ else {}
    return {"PATH": "/usr/bin:/bin", "MAIL_CONFIG": str(system.conf), "LANG": "C", **zone}


def _piped(system: Houses, *more: str) -> RunCommand:
    """As the pipe service asks; `more`: words that it has not."""
    argv = ("/usr/bin/touch", f"{system.folder}/out/fixed", *more)
    return RunCommand(argv, IDS["alice"], IDS["alice"], 1000.0, _exported(system), str(system.spool))


def _user_box(system: Houses, path: str, name: str, **more: bool | str) -> Mailbox:
    return Mailbox(str(system.home(name) / path) + ("/" if path == "Maildir" else ""), IDS[name], IDS[name], 51200000, **more)


def test_what_a_worker_in_its_senses_asks_is_done(houses: Houses) -> None:
    """Else the refusals below would say nothing."""
    forward = str(houses.home("alice") / ".forward")
    houses.give(houses.home("alice") / "friends", "alice", "carol@there.test\n", 0o644)
    for right in (
        WriteMaildir(_user_box(houses, "Maildir", "alice")),
        WriteMaildir(Mailbox(f"{houses.folder}/vmail/box/", 2010, 2010, 51200000)),
        WriteMbox(_user_box(houses, "inbox", "alice", strict_ownership=False, forward=forward), LockRules(), listed=True),
        ReadFile(forward, IDS["alice"], IDS["alice"], forward),
        ReadFile(str(houses.folder / "lists/own"), 0, 0),
        _command(houses, "/bin/cat", name="alice", forward=forward),
        _command(houses, "/bin/cat", name="bob"),
        _command(houses, "/bin/sh", "-c", "/bin/sh -c 'echo paged'"),
        _piped(houses),
    ):
        assert isinstance(_ask(houses, right), Done), (right, _ask(houses, right))


def test_a_worker_that_is_taken_over_gains_nothing(houses: Houses) -> None:
    folder, alice, mallory = houses.folder, IDS["alice"], IDS["mallory"]
    canary = str(folder / "trap" / "canary")
    forward, hers = str(houses.home("alice") / ".forward"), str(houses.home("mallory") / ".forward")
    touch = ("/usr/bin/touch", canary)
    key = houses.give(houses.home("alice") / "id_rsa", "alice", SECRET)
    houses.give(Path(hers), "mallory", f'"|{" ".join(touch)}", /etc/passwd, {canary}\n', 0o644)
    cat = _command(houses, "/bin/cat", name="alice", forward=forward)
    mine = _user_box(houses, "Maildir", "alice")
    tricks: list[Request] = [
        # Files
        *(ReadFile(path, *ids, named) for path in (str(folder / "secret"), "/etc/shadow", str(key), "/proc/self/environ")
          for ids in ((0, 0), (alice, alice), (alice, 0), (65534, 65534), (IDS["bob"], IDS["bob"])) for named in ("", forward,
              path)),
        ReadFile(f"{houses.home('alice')}/../../secret", 0, 0),
        ReadFile(f"{houses.home('alice')}/.forward/../id_rsa", alice, alice, f"{houses.home('alice')}/.forward/../id_rsa"),
        ReadFile(forward, mallory, mallory, forward),
        ReadFile(f"{folder}/lists/own\0", 0, 0),
        # Mailboxes
        *(WriteMaildir(Mailbox(path, uid, gid, 51200000)) for path in (f"{folder}/vmail/../trap/", f"{folder}/vmail/box/",
            "/etc/cron.d/")
          for uid, gid in ((0, 0), (alice, alice), (2010, 0), (2010, 42), (0, 2010))),
        WriteMaildir(replace(mine, path=f"{houses.home('alice')}/.ssh/")),
        WriteMaildir(replace(mine, uid=mallory, gid=mallory)),
        WriteMaildir(replace(mine, gid=0)),
        WriteMaildir(replace(mine, limit=0)),
        WriteMbox(replace(mine, path=f"{houses.home('alice')}/.bashrc"), LockRules()),
        WriteMbox(Mailbox(canary, alice, alice, 51200000, strict_ownership=False), LockRules(), listed=True),
        WriteMbox(Mailbox(canary, alice, alice, 51200000, strict_ownership=False, forward=hers), LockRules(), listed=True),
        WriteMbox(Mailbox(canary, 0, 0, 51200000, privileged=True), LockRules()),
        WriteMbox(Mailbox(f"{folder}/archive", 0, 0, 51200000, strict_ownership=False), LockRules(), listed=True),
        WriteMbox(Mailbox(f"{folder}/archive", 65534, 65534, 51200000, strict_ownership=False), LockRules(attempts=10**9),
            listed=True),
        # Commands
        *(_command(houses, *touch, name=name, forward=named) for name in ("alice", "bob", "") for named in ("", forward, hers)),
        replace(_command(houses, *touch, name="mallory", forward=hers), uid=alice, gid=alice),
        replace(_command(houses, *touch, name="mallory", forward=hers), uid=0, gid=0),
        replace(_command(houses, *touch, name="mallory", forward=hers), gid=0),
        replace(_command(houses, *touch, name="mallory", forward=hers), chroot="/"),
        replace(_command(houses, *touch, name="mallory", forward=hers), directory="/tmp"),
        replace(_command(houses, *touch, name="mallory", forward=hers), account="alice"),
        replace(cat, argv=("/bin/cat", "/etc/passwd")),
        replace(cat, argv=("/bin/sh", "-c", "/bin/cat")),
        replace(cat, argv=()),
        *(replace(cat, environment={**cat.environment, name: value}) for name, value in (
            ("HOME", str(houses.home("mallory"))), ("PATH", str(houses.home("mallory"))), ("LD_PRELOAD", "/tmp/x.so"),
                ("SHELL", "/tmp/x"),
            ("BASH_ENV", "/tmp/x"), ("EXTENSION", "$(id)"), ("LOGNAME", "root"), ("MAIL_CONFIG", "/tmp"))),
        replace(cat, time_limit=1e12),
        replace(cat, file_limit=0),
        _piped(houses, canary),
        replace(_piped(houses), uid=mallory, gid=mallory),
        replace(_piped(houses), directory="/tmp"),
        replace(_piped(houses), environment={}),
    ]  # fmt: skip
    refused = 0
    for trick in tricks:
        answer = _ask(houses, trick)
        assert isinstance(answer, Failed), (trick, answer)
        assert SECRET not in repr(answer)
        refused += "not allowed to the mail system" in answer.text
    assert refused == len(tricks)
    wait_for(lambda: houses.log().count("a worker asked for what the configuration has no use for") >= refused, "a line for each")
    assert not Path(canary).exists()
    assert not (folder / "archive").exists()
    assert not list(houses.home("alice").glob(".ssh"))
    assert isinstance(_ask(houses, cat), Done)


def test_nobody_takes_the_agent_down_with_nonsense(houses: Houses) -> None:
    for nonsense in (b"\xff" * 8, b"\0\0\0\4\xc1\xc1\xc1\xc1", b"\0\0\0\0", b"\0\xff\xff\xff" + b"x" * 100, os.urandom(4096), b""):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(houses.spool / "gatepost" / "agent"))
            client.settimeout(10)
            client.sendall(nonsense)
    assert isinstance(_ask(houses, _command(houses, "/bin/cat", name="bob")), Done)
    assert "Traceback" not in houses.log()
