"""What the agent may be asked for, and what only somebody who has taken a worker over would ask."""

import grp
import pwd
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from gatepost.config.loading import load
from gatepost.deliver.mailbox import LockRules, Mailbox
from gatepost.deliver.privileged import RunCommand, WriteMaildir, WriteMbox
from gatepost.service.agent import local_grants
from gatepost.service.agent.grants import Grants, grants_of

USERS = {
    "root": (0, 0, "/root"), "nobody": (65534, 65534, "/"), "postfix": (89, 89, "/"), "alice": (1000, 1000, "/home/alice"),
    "bob": (1001, 1001, "/home/bob"), "filter": (500, 501, "/"), "alias": (1000, 1000, "/home/other"),
}  # fmt: skip
MASTER = """\
smtp inet n - n - - smtpd
scan unix - n n - - pipe user=filter argv=/usr/bin/scan --for ${recipient} --fast
fixed unix - n n - - pipe user=filter argv=/usr/bin/fixed --flag
cage unix - n n - - pipe user=filter:mail directory=/work chroot=/jail argv=/bin/x -f${sender}
gone unix - n n - - pipe user=nosuchuser argv=/bin/x
rooted unix - n n - - pipe user=root argv=/bin/x
"""
MAIN = """\
mail_owner = postfix
queue_directory = /queue
default_privs = nobody
virtual_mailbox_maps = static:x
virtual_mailbox_base = /var/vmail
virtual_minimum_uid = 1500
virtual_uid_maps = static:2000
virtual_gid_maps = inline:{{a=8, b=2000}}
mail_spool_directory = {spool}
home_mailbox =
mailbox_size_limit = 1000
recipient_delimiter = +
alias_maps =
export_environment = LANG=C
"""


def _account(name: str) -> pwd.struct_passwd:
    uid, gid, home = USERS[name]
    return pwd.struct_passwd((name, "x", uid, gid, "", home, "/bin/sh"))


@pytest.fixture(autouse=True)
def accounts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def getpwuid(uid: int) -> pwd.struct_passwd:
        for name, ids in USERS.items():
            if ids[0] == uid:
                return _account(name)
        raise KeyError(uid)

    def getgrgid(gid: int) -> grp.struct_group:
        return {8: grp.struct_group(("mail", "x", 8, [])), 3000: grp.struct_group(("vmail", "x", 3000, []))}[gid]

    monkeypatch.setattr(pwd, "getpwnam", _account)
    monkeypatch.setattr(pwd, "getpwuid", getpwuid)
    monkeypatch.setattr(pwd, "getpwall", lambda: [_account(name) for name in USERS])
    monkeypatch.setattr(grp, "getgrnam", lambda name: grp.struct_group((name, "x", {"mail": 8}[name], [])))
    monkeypatch.setattr(grp, "getgrgid", getgrgid)
    local_grants._other_names.cache_clear()
    yield
    local_grants._other_names.cache_clear()


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    folder = tmp_path / "spool"
    folder.mkdir(mode=0o755)
    return folder


def granted(spool: Path, main: str = "") -> Grants:
    path = spool.parent
    (path / "main.cf").write_text("compatibility_level = 3.6\n" + MAIN.format(spool=spool) + main)
    (path / "master.cf").write_text(MASTER)
    return grants_of(load(path))


def mbox(path: str, uid: int, gid: int, privileged: bool = False, **more: bool) -> WriteMbox:
    return WriteMbox(Mailbox(path, uid, gid, 1000, privileged=privileged, **more), LockRules())


def maildir(path: str, uid: int, gid: int, limit: int = 1000) -> WriteMaildir:
    return WriteMaildir(Mailbox(path, uid, gid, limit))


def virtual(path: str, uid: int = 2000, gid: int = 8, limit: int = 51200000) -> WriteMaildir:
    return maildir(path, uid, gid, limit)


# Mailboxes


def test_home_mailboxes(spool: Path) -> None:
    grant = granted(spool, "home_mailbox = Mail/box\n")
    assert grant.allow(mbox("/home/alice/Mail/box", 1000, 1000))
    assert grant.allow(mbox("/home/other/Mail/box", 1000, 1000))  # another name of that uid
    assert grant.allow(mbox("/root/Mail/box", 0, 0))
    for wrong in (
        mbox("/home/alice/Mail/box", 1000, 0),
        mbox("/home/alice/Mail/box", 1000, 1001),
        mbox("/home/alice/Mail/box", 1001, 1001),
        mbox("/home/alice/Mail/box", 4711, 4711),
        mbox("/home/alice/Mail/box", 0, 0),
        mbox("/home/alice/.bashrc", 1000, 1000),
        mbox("/home/alice/Mail/../.bashrc", 1000, 1000),
        mbox("/home/alice/Mail/box", 1000, 1000, privileged=True),
        mbox("/home/alice/Mail/box", 1000, 1000, strict_ownership=False),
        replace(mbox("/home/alice/Mail/box", 1000, 1000), locks=LockRules(attempts=10**9)),
        replace(mbox("/home/alice/Mail/box", 1000, 1000), listed=True),
        replace(mbox("/home/alice/Mail/box", 1000, 1000), box=Mailbox("/home/alice/Mail/box", 1000, 1000, 0)),
        maildir("/home/alice/Mail/box", 1000, 1000),
        maildir("/home/alice/Mail/box/", 1000, 1000),
        mbox("/etc/cron.d/x", 0, 0),
    ):
        assert not grant.allow(wrong), wrong


def test_home_maildirs(spool: Path) -> None:
    grant = granted(spool, "home_mailbox = Maildir/\n")
    assert grant.allow(maildir("/home/alice/Maildir/", 1000, 1000))
    assert grant.allow(maildir("/root/Maildir/", 0, 0))
    for wrong in (
        maildir("/root/.ssh/", 0, 0),
        maildir("/home/bob/Maildir/", 1000, 1000),
        mbox("/home/alice/Maildir/", 1000, 1000),
    ):
        assert not grant.allow(wrong), wrong


def test_mailboxes_in_the_spool(spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grant = granted(spool)
    for shared, gid, privileged in ((0, 1000, True), (0o020, 8, False), (0o002, 1000, False)):
        monkeypatch.setattr(local_grants, "_sharing", lambda folder, shared=shared: (shared, 8))
        assert grant.allow(mbox(f"{spool}/alice", 1000, gid, privileged))
        for wrong in (
            mbox(f"{spool}/alice", 1000, gid, not privileged),
            mbox(f"{spool}/alice", 1000, 42, privileged),
            mbox(f"{spool}/alice", 0, gid, privileged),
            mbox(f"{spool}/alice", 1001, gid, privileged),
            mbox(f"{spool}/deep/alice", 1000, gid, privileged),
            mbox("/etc/alice", 1000, gid, privileged),
        ):
            assert not grant.allow(wrong), wrong


def test_virtual_mailboxes(spool: Path) -> None:
    grant = granted(spool)
    assert grant.allow(virtual("/var/vmail/example.test/bob/"))
    assert grant.allow(virtual("/var/vmail/example.test/bob/", gid=2000))
    for wrong in (
        virtual("/var/vmail/bob/", uid=1000),
        virtual("/var/vmail/bob/", uid=0),
        virtual("/var/vmail/bob/", gid=0),
        virtual("/var/vmail/bob/", gid=42),
        virtual("/var/vmail/bob/", limit=0),
        virtual("/var/vmail/../../home/bob/"),
        virtual("/var/vmailbox/bob/"),
        virtual("/var/vmail/bob"),
    ):
        assert not grant.allow(wrong), wrong


@pytest.mark.parametrize("maps", ["ldap:/etc/ids.cf", "hash:/no/such"])
def test_groups_of_tables_that_the_agent_cannot_read(spool: Path, maps: str) -> None:
    grant = granted(spool, f"virtual_uid_maps = {maps}\nvirtual_gid_maps = {maps}\nvirtual_minimum_uid = 500\n")
    for uid, gid in ((2000, 2000), (1000, 1000)):
        assert grant.allow(virtual("/var/vmail/bob/", uid, gid))
    for uid, gid in ((2000, 8), (2000, 0), (2000, 3000), (2000, 499), (499, 2000)):
        assert not grant.allow(virtual("/var/vmail/bob/", uid, gid))


def test_without_a_base_there_are_no_virtual_mailboxes(spool: Path) -> None:
    grant = granted(spool, "virtual_mailbox_base =\n")
    assert not grant.allow(virtual("/etc/cron.d/"))
    assert not grant.allow(virtual("//etc/cron.d/"))


def test_root_has_virtual_mailboxes_only_where_the_lowest_user_is_root(spool: Path) -> None:
    ids = "virtual_uid_maps = static:0\nvirtual_gid_maps = static:0\n"
    assert granted(spool, f"virtual_minimum_uid = 0\n{ids}").allow(virtual("/var/vmail/bob/", 0, 0))
    assert not granted(spool, ids).allow(virtual("/var/vmail/bob/", 0, 0))


# Commands of pipe(8)


def piped(
    *argv: str, ids: tuple[int, int] = (500, 501), where: str = "/queue", root: str = "", path: str = "/usr/bin:/bin"
) -> RunCommand:
    return RunCommand(argv, *ids, 1000.0, {"PATH": path, "LANG": "C"}, where, root)


def test_the_command_of_a_pipe_service(spool: Path) -> None:
    grant = granted(spool)
    for right in (
        piped("/usr/bin/scan", "--for", "a@example.test", "--fast"),
        piped("/usr/bin/scan", "--for", "a@example.test", "b\n@example.test", "--fast"),
        piped("/usr/bin/fixed", "--flag"),
        piped("/bin/x", "-fa@example.test", ids=(500, 8), where="/work", root="/jail"),
    ):
        assert grant.allow(right), right
    for wrong in (
        piped("/usr/bin/scan", "--for", "--fast"),
        piped("/usr/bin/scan", "--for", "x", "--slow"),
        piped("/usr/bin/scan", "--other", "x", "--fast"),
        piped("/usr/bin/fixed", "--flag", "more"),
        piped("/usr/bin/fixed"),
        piped("/bin/sh", "-c", "id"),
        piped("/usr/bin/fixed", "--flag", where="/tmp"),
        piped("/usr/bin/fixed", "--flag", root="/jail"),
        piped("/usr/bin/fixed", "--flag", path="/tmp"),
        piped("/usr/bin/fixed", "--flag", ids=(1000, 1000)),
        piped("/usr/bin/fixed", "--flag", ids=(500, 0)),
        replace(piped("/usr/bin/fixed", "--flag"), time_limit=1e9),
        replace(piped("/usr/bin/fixed", "--flag"), environment={"PATH": "/usr/bin:/bin", "LANG": "C", "LD_PRELOAD": "/tmp/x"}),
        piped("/bin/x", "-fa", ids=(500, 8), where="/work"),
        piped("/bin/x", "--a", ids=(500, 8), where="/work", root="/jail"),
        piped("/bin/x", "-fa", "more", ids=(500, 8), where="/work", root="/jail"),
        piped("/bin/x", ids=(0, 0)),
    ):
        assert not grant.allow(wrong), wrong


# Commands of local(8)

ALICE = {"HOME": "/home/alice", "SHELL": "/bin/sh", "LOGNAME": "alice", "USER": "alice"}


def local(*argv: str, account: str = "alice", ids: tuple[int, int] = (1000, 1000), **told: str) -> RunCommand:
    environment = {"PATH": "/usr/bin:/bin", "LANG": "C", "SENDER": "", **(ALICE if account == "alice" else {}), **told}
    return RunCommand(argv, *ids, 1000.0, environment, "/queue", file_limit=1000, account=account)


def test_how_mail_for_an_account_is_delivered(spool: Path) -> None:
    grant = granted(spool, "mailbox_command = /usr/bin/deliver -x\nmailbox_command_maps = inline:{bob=/usr/bin/own}\n")
    right = local("/usr/bin/deliver", "-x", EXTENSION="list", SASL_USERNAME="a_b")
    assert grant.allow(right)
    bob = {name: value.replace("alice", "bob") for name, value in ALICE.items()}
    assert grant.allow(local("/usr/bin/own", account="bob", ids=(1001, 1001), **bob))
    root = {"HOME": "/root", "SHELL": "/bin/sh", "LOGNAME": "root", "USER": "root"}
    assert grant.allow(local("/usr/bin/deliver", "-x", account="root", ids=(65534, 65534), **root))
    for wrong in (
        local("/usr/bin/own"),
        local("/usr/bin/deliver", "-x", "more"),
        local("/bin/sh", "-c", "/usr/bin/deliver -x"),
        local("/usr/bin/deliver", "-x", account=""),
        local("/usr/bin/deliver", "-x", account="nosuch"),
        local("/usr/bin/deliver", "-x", ids=(1001, 1001)),
        local("/usr/bin/deliver", "-x", ids=(1000, 0)),
        local("/usr/bin/deliver", "-x", account="root", ids=(0, 0), **root),
        local("/usr/bin/deliver", "-x", HOME="/tmp"),
        local("/usr/bin/deliver", "-x", SHELL="/tmp/x"),
        local("/usr/bin/deliver", "-x", LOGNAME="root"),
        local("/usr/bin/deliver", "-x", USER="bob"),
        local("/usr/bin/deliver", "-x", PATH="/tmp"),
        local("/usr/bin/deliver", "-x", LANG="X"),
        local("/usr/bin/deliver", "-x", LD_PRELOAD="/tmp/x.so"),
        local("/usr/bin/deliver", "-x", EXTENSION="`id`"),
        replace(right, directory="/tmp"),
        replace(right, chroot="/tmp"),
        replace(right, file_limit=0),
        replace(right, time_limit=1001.0),
        replace(right, environment={}),
        local("/usr/bin/vacation"),
    ):
        assert not grant.allow(wrong), wrong


def test_where_commands_run(spool: Path) -> None:
    grant = granted(spool, "mailbox_command = /bin/x\ncommand_execution_directory = $home${extension?/lists/$extension}\n")
    for directory in ("/home/alice", "/home/alice/lists/x", "/queue"):
        assert grant.allow(replace(local("/bin/x"), directory=directory))
    for directory in ("/home/bob", "/home/alice/lists", "/home/alice/lists/..", "/home/alice/lists/a/b", ""):
        assert not grant.allow(replace(local("/bin/x"), directory=directory))


def test_accounts_that_are_not_there(spool: Path) -> None:
    grant = granted(spool, "mail_owner = nosuchuser\ndefault_privs = nosuchuser\nhome_mailbox = Mailbox\n")
    assert not grant.allow(mbox("/home/alice/Mailbox", 1000, 1000))
    assert grant.local == ()
