"""What the agent may be asked for, and what only somebody who has taken a worker over would ask."""

import grp
import os
import pwd
from pathlib import Path

import pytest

from gatepost.config.configuration import load
from gatepost.deliver.mailbox import LockRules, Mailbox
from gatepost.deliver.privileged import ReadFile, Request, RunCommand, WriteMaildir, WriteMbox
from gatepost.service import grants
from gatepost.service.grants import Grants, grants_of

USERS = {
    "root": (0, 0, "/root"), "nobody": (65534, 65534, "/"), "postfix": (89, 89, "/"), "alice": (1000, 1000, "/home/alice"),
    "filter": (500, 501, "/"), "games": (5, 60, "/"), "operator": (11, 0, "/"),
}  # fmt: skip
MASTER = """\
smtp inet n - n - - smtpd
scan unix - n n - - pipe user=filter argv=/usr/bin/scan --for ${recipient} --fast
cage unix - n n - - pipe user=filter:mail directory=/work chroot=/jail argv=/bin/x
gone unix - n n - - pipe user=nosuchuser argv=/bin/x
"""
MAIN = """\
mail_owner = postfix
queue_directory = /var/spool/postfix
default_privs = nobody
virtual_mailbox_maps = static:x
virtual_mailbox_base = /var/vmail
virtual_minimum_uid = 2000
mail_spool_directory = {spool}
home_mailbox =
alias_maps = hash:{aliases}
export_environment = LANG=C
"""


def _account(name: str) -> pwd.struct_passwd:
    uid, gid, home = USERS[name]
    return pwd.struct_passwd((name, "x", uid, gid, "", home, "/bin/sh"))


def _by_id(uid: int) -> pwd.struct_passwd:
    return _account(next(name for name, ids in USERS.items() if ids[0] == uid))


@pytest.fixture(autouse=True)
def accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    def getpwuid(uid: int) -> pwd.struct_passwd:
        try:
            return _by_id(uid)
        except StopIteration:
            raise KeyError(uid) from None

    monkeypatch.setattr(pwd, "getpwnam", _account)
    monkeypatch.setattr(pwd, "getpwuid", getpwuid)
    monkeypatch.setattr(pwd, "getpwall", lambda: [_account(name) for name in USERS])
    monkeypatch.setattr(grp, "getgrnam", lambda name: grp.struct_group((name, "x", {"mail": 8}[name], [])))


def granted(path: Path, main: str = "") -> Grants:
    (path / "spool").mkdir()
    (path / "main.cf").write_text(
        "compatibility_level = 3.6\n" + MAIN.format(spool=path / "spool", aliases=path / "aliases") + main
    )
    (path / "master.cf").write_text(MASTER)
    return grants_of(load(path))


def mbox(path: str, uid: int, gid: int, privileged: bool = False) -> Request:
    return WriteMbox(Mailbox(path, uid, gid, privileged=privileged), LockRules())


def maildir(path: str, uid: int, gid: int) -> Request:
    return WriteMaildir(Mailbox(path, uid, gid))


def command(
    *argv: str, ids: tuple[int, int] = (500, 501), where: str = "/var/spool/postfix", root: str = "", path: str = "/usr/bin:/bin"
) -> Request:
    return RunCommand(argv, *ids, 60.0, {"PATH": path, "LANG": "C"}, where, root)


@pytest.fixture
def grant(tmp_path: Path) -> Grants:
    return granted(tmp_path, "allow_mail_to_commands =\n")


@pytest.mark.parametrize(
    "request_",
    [
        mbox("/home/alice/Mailbox", 1000, 1000),
        maildir("/home/alice/Maildir/", 1000, 1000),
        mbox("/dev/null", 65534, 65534),
        mbox("/srv/archive", 11, 0),
        maildir("/var/vmail/example.test/bob/", 2000, 8),
        ReadFile("/home/alice/.forward", 1000, 1000),
        ReadFile("/etc/list", 0, 0),
    ],
)
def test_what_workers_ask(grant: Grants, request_: Request) -> None:
    assert grant.allow(request_)


@pytest.mark.parametrize(
    "request_",
    [
        mbox("/etc/cron.d/x", 0, 0),
        mbox("/etc/cron.d/x", 1000, 1000, privileged=True),
        mbox("/home/alice/Mailbox", 1000, 0),
        mbox("/home/alice/Mailbox", 4711, 4711),
        maildir("/root/Maildir/", 0, 0),
        maildir("/var/vmail/bob/", 1999, 8),
        maildir("/var/vmail/../../home/bob/", 2000, 8),
        maildir("/var/vmailbox/bob/", 2000, 8),
        ReadFile("/etc/shadow", 65534, 42),
        ReadFile("/etc/shadow", 1, 0),
        command("/bin/sh", "-c", "id", ids=(1000, 1000)),
    ],
)
def test_what_workers_never_ask(grant: Grants, request_: Request) -> None:
    assert not grant.allow(request_)


def test_root_has_virtual_mailboxes_only_where_the_lowest_user_is_root(tmp_path: Path) -> None:
    grant = granted(tmp_path, "virtual_minimum_uid = 0\n")
    assert grant.allow(maildir("/var/vmail/example.test/bob/", 0, 0))
    assert not grant.allow(maildir("/root/Maildir/", 0, 0))
    assert not grant.allow(mbox("/etc/cron.d/x", 0, 0))


def test_the_command_of_a_pipe_service(tmp_path: Path) -> None:
    grant = granted(tmp_path, "allow_mail_to_commands =\n")
    assert grant.allow(command("/usr/bin/scan", "--for", "a@example.test", "b@example.test", "--fast"))
    assert not grant.allow(command("/usr/bin/scan", "--other", "a@example.test"))
    assert not grant.allow(command("/bin/sh", "-c", "id"))
    assert not grant.allow(command("/usr/bin/scan", "--for", "x", where="/tmp"))
    assert not grant.allow(command("/usr/bin/scan", "--for", "x", path="/tmp"))
    assert not grant.allow(command("/usr/bin/scan", "--for", "x", ids=(1000, 1000)))
    assert grant.allow(command("/bin/x", "more", ids=(500, 8), where="/work", root="/jail"))
    assert not grant.allow(command("/bin/x", ids=(500, 8), where="/work"))


@pytest.mark.parametrize("main", ["", "allow_mail_to_commands =\nmailbox_command = /usr/bin/procmail\n"])
def test_accounts_may_have_commands_where_local_runs_any(tmp_path: Path, main: str) -> None:
    grant = granted(tmp_path, main)
    assert grant.allow(command("/bin/sh", "-c", "vacation", ids=(1000, 1000)))
    assert grant.allow(command("/bin/sh", "-c", "list", ids=(65534, 65534)))
    assert not grant.allow(command("/bin/sh", ids=(1000, 1000), root="/jail"))
    assert not grant.allow(command("/bin/sh", ids=(1000, 8)))
    assert not grant.allow(command("/bin/sh", ids=(0, 0)))


def test_mailboxes_in_the_spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grant, spool = granted(tmp_path), tmp_path / "spool"
    monkeypatch.setattr(grants, "_group_of", lambda folder: 8)
    assert grant.allow(mbox(f"{spool}/alice", 1000, 8))
    assert grant.allow(mbox(f"{spool}/alice", 1000, 1000, privileged=True))
    assert grant.allow(mbox(f"{spool}/root", 0, 0, privileged=True))
    assert not grant.allow(mbox(f"{spool}/alice", 0, 0, privileged=True))
    assert not grant.allow(mbox(f"{spool}/alice", 4711, 8))
    assert not grant.allow(mbox(f"{spool}/deep/alice", 1000, 8))


def test_roots_own_maildir(tmp_path: Path) -> None:
    grant = granted(tmp_path, "home_mailbox = Maildir/\n")
    assert grant.allow(maildir("/root/Maildir/", 0, 0))
    assert not grant.allow(maildir("/root/.ssh/", 0, 0))


def test_whose_rights_a_file_is_read_with(tmp_path: Path) -> None:
    grant = granted(tmp_path)
    nested, other = tmp_path / "nested", tmp_path / "other"
    (tmp_path / "aliases").write_text(f"staff: :include:{nested}\n")
    nested.write_text(f'bob, ":include:{other}"\n')
    as_root = (0, 0) if os.getuid() == 0 else (89, 89)  # a file that root does not own says nothing
    assert grant.reader(ReadFile(str(other), 0, 0)) == as_root
    assert grant.reader(ReadFile("/etc/shadow", 0, 0)) == (89, 89)
    assert grant.reader(ReadFile("/root/.forward", 0, 0)) == (0, 0)
    assert grant.reader(ReadFile("/root/.forward+list", 0, 0)) == (0, 0)
    assert grant.reader(ReadFile("/root/.forward/../.ssh/id_rsa", 0, 0)) == (89, 89)
    assert grant.reader(ReadFile("/root/.ssh/id_rsa", 0, 0)) == (89, 89)
    assert grant.reader(ReadFile("/home/alice/.forward", 1000, 1000)) == (1000, 1000)


def test_accounts_that_are_not_there(tmp_path: Path) -> None:
    grant = granted(tmp_path, "mail_owner = nosuchuser\ndefault_privs = nosuchuser\n")
    assert grant.owner == grant.default == (os.getuid(), os.getgid())
