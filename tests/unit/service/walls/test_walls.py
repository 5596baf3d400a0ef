"""What a process behind the wall cannot do any more, tried in a process of its own; and what it still can."""

import ctypes
import errno
import fcntl
import mmap
import os
import resource
import signal
import socket
import sqlite3
import subprocess
import termios
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.settings import CONFIGURATION

from gatepost.config.configuration import Configuration
from gatepost.config.loading import load
from gatepost.service.roles import WORKER
from gatepost.service.walls import landlock, seccomp, walls

_NOT_DONE = "no exception"
_PATIENCE = 30  # seconds


@pytest.fixture
def configuration(tmp_path: Path) -> Configuration:
    (conf := tmp_path / "conf").mkdir()
    for name in ("tables", "elsewhere", "target", "vmail", "data", *(f"spool/{one}" for one in WORKER.rights.changes)):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "target" / "linked").write_text("x\n")
    (tmp_path / "tables" / "link").symlink_to(tmp_path / "target" / "linked")
    (tmp_path / "elsewhere" / "secret").write_text("x\n")
    (tmp_path / "vmail" / "mail").write_text("x\n")
    (conf / "main.cf").write_text(
        f"compatibility_level = 3.6\nqueue_directory = {tmp_path}/spool\ndata_directory = {tmp_path}/data\n"
        f"worker_readable_directories = /etc /usr /lib /lib64 /dev /proc\n"
        f"worker_memory_limit = 0\n"  # the process of all tests has more than a worker, and then no thread starts
        f"virtual_mailbox_base = {tmp_path}/vmail\nvirtual_alias_maps = texthash:{tmp_path}/tables/link\n"
    )
    (conf / "master.cf").write_text("smtp inet n - n - - smtpd\n")
    return load(conf)


def planned(configuration: Configuration) -> walls.Wall:
    """The wall around a worker."""
    return walls.planned(configuration, WORKER.rights.changes)


def _behind(wall: walls.Wall, work: Callable[[], object]) -> str:
    """What came of doing it behind the wall: the name of the error, `_NOT_DONE`, or nothing where it never came back."""
    told, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.alarm(_PATIENCE)  # a lock that another thread held at the fork is held for ever
        try:
            walls.put_up(wall)
            work()
            os.write(tell, _NOT_DONE.encode())
        except OSError as error:
            os.write(tell, errno.errorcode[error.errno or 0].encode())
        except BaseException as error:
            os.write(tell, repr(error).encode())
        finally:
            os._exit(0)
    os.close(tell)
    with open(told) as answer:
        text = answer.read()
    os.waitpid(pid, 0)
    return text


def _call(number: int, *arguments: object) -> None:
    """A system call by its number on x86-64 or, where they agree, elsewhere."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "syscall")


def _make_user_namespace() -> None:
    pid = ctypes.CDLL(None, use_errno=True).syscall(56, 0x10000000 | signal.SIGCHLD, 0, 0, 0, 0)  # clone(2)
    if pid < 0:
        raise OSError(ctypes.get_errno(), "clone")
    os._exit(0)


@pytest.mark.parametrize("kind", ["ldap", "proxy:ldap", "mysql", "memcache", "sql", "sql:mysql", "oauth"])
def test_files_that_a_tables_own_file_names_can_be_read(tmp_path: Path, kind: str) -> None:
    """Certificates are read with each connection, when the walls have long been there."""
    for name in ("conf", "tables", "inner", "certificates", "authorities", "more", "private"):
        (tmp_path / name).mkdir()
    (tmp_path / "conf" / "main.cf").write_text(
        f"compatibility_level = 3.6\nvirtual_alias_maps = {kind}:{tmp_path}/tables/users.cf, ldap:main\n"
        f"alias_maps = ldap:{tmp_path}/tables/gone\nmain_tls_ca_cert_dir = {tmp_path}/more\n"
    )
    (tmp_path / "conf" / "master.cf").write_text("smtp inet n - n - - smtpd\n")
    (tmp_path / "tables" / "users.cf").write_text(
        f"tls_ca_cert_file = {tmp_path}/certificates/ca.pem\ntls_ca_cert_dir = {tmp_path}/authorities\n"
        f"backup = ldap:{tmp_path}/inner/again.cf\nsearch_base = {tmp_path}/private\n"
    )
    (tmp_path / "inner" / "again.cf").write_text(f"backup = ldap:{tmp_path}/inner/again.cf, ldap:{tmp_path}/tables/users.cf\n")
    found = set(walls.named_folders(load(tmp_path / "conf")))
    wanted = {str(tmp_path / name) for name in ("tables", "inner", "certificates", "authorities", "more")}
    assert wanted <= found
    assert str(tmp_path / "private") not in found


FORBIDDEN: dict[str, Callable[[Path], object]] = {
    "read a file elsewhere": lambda path: open(path / "elsewhere" / "secret"),
    "list a folder elsewhere": lambda path: os.listdir(path / "elsewhere"),
    "list the root": lambda path: os.listdir("/"),
    "read mail": lambda path: open(path / "vmail" / "mail"),
    "write a configuration": lambda path: open(path / "conf" / "main.cf", "a"),
    "write elsewhere": lambda path: open(path / "elsewhere" / "new", "w"),
    "truncate elsewhere": lambda path: os.truncate(path / "elsewhere" / "secret", 0),
    "write into a table": lambda path: open(path / "target" / "linked", "a"),
    "a link in the store": lambda path: (path / "spool" / "store" / "link").symlink_to("/etc/passwd"),
    "a named pipe in the store": lambda path: os.mkfifo(path / "spool" / "store" / "pipe"),
    "a file beside the store": lambda path: open(path / "spool" / "new", "w"),
    "move out of the store": lambda path: (path / "spool" / "store").rename(path / "elsewhere" / "store"),
    "the supervisor's life": lambda path: os.kill(os.getppid(), 0) or os.kill(os.getppid(), signal.SIGCONT),
    "run a program": lambda path: os.execv("/bin/true", ["true"]),
    "run a program, by descriptor": lambda path: os.execve(os.open("/bin/true", os.O_RDONLY), ["true"], {}),
    "a child that runs one": lambda path: subprocess.run(["/bin/true"], check=True),
    "a packet socket": lambda path: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
    "the kernel's ciphers": lambda path: socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET),
}
ON_X86: dict[str, Callable[[], object]] = {
    "ptrace": lambda: _call(101, 16, os.getppid(), 0, 0),
    "process_vm_readv": lambda: _call(310, os.getppid(), 0, 0, 0, 0, 0),
    "io_uring_setup": lambda: _call(425, 1, ctypes.create_string_buffer(120)),
    "bpf": lambda: _call(321, 0, 0, 0),
    "unshare": lambda: _call(272, 0x10000000),
    "keyctl": lambda: _call(250, 0, 0, 0, 0, 0),
    "userfaultfd": lambda: _call(323, 1),
    "perf_event_open": lambda: _call(298, 0, 0, -1, -1, 0),
    "a user namespace": _make_user_namespace,
    "typing on somebody's terminal": lambda: fcntl.ioctl(os.pipe()[0], termios.TIOCSTI, b"x"),
    "typing on the console": lambda: fcntl.ioctl(os.pipe()[0], termios.TIOCLINUX, b"\2"),
}
_SAYS_NO = {"EPERM", "EACCES", "EXDEV", "EAFNOSUPPORT"}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_what_is_forbidden(configuration: Configuration, tmp_path: Path, name: str) -> None:
    assert _behind(planned(configuration), lambda: FORBIDDEN[name](tmp_path)) in _SAYS_NO


@pytest.mark.parametrize("name", ON_X86)
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers of its system calls")
def test_calls_that_are_forbidden(configuration: Configuration, name: str) -> None:
    assert _behind(planned(configuration), ON_X86[name]) == "EPERM"


def test_no_socket_without_a_file(configuration: Configuration) -> None:
    """Whoever listens there believes in uids; the file rights of folders that hold sockets do not hold for these."""
    name = f"\0gatepost-test-{os.getpid()}"

    def connect() -> None:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(name)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(name)
        listener.listen()
        assert _behind(planned(configuration), connect) == "EPERM"


def _work_as_a_worker(path: Path) -> None:
    """What workers do all day."""
    store = path / "spool" / "store" / "1"
    (store / "staging").mkdir(parents=True)
    database = sqlite3.connect(store / "queue.sqlite")
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("CREATE TABLE t(x)")
    database.commit()
    (store / "staging" / "1").write_text("x")
    (store / "staging" / "1").rename(store / "1")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bell:
        bell.bind(str(store / "bell"))
    (path / "spool" / "maildrop" / "1.msg").write_text("x")
    (path / "spool" / "maildrop" / "1.msg").rename(path / "spool" / "corrupt" / "1.msg")
    with open(path / "spool" / "private" / "pickup.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
    (path / "data" / "cache").write_text("x")
    (path / "conf" / "main.cf").read_text()
    (path / "tables" / "link").read_text()
    Path("/etc/passwd").read_text()
    with open(os.devnull, "w") as null:
        null.write("x")
    socket.getaddrinfo("localhost", 25)
    threading.Thread(target=lambda: None).start()
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


def test_what_is_allowed(configuration: Configuration, tmp_path: Path) -> None:
    assert _behind(planned(configuration), lambda: _work_as_a_worker(tmp_path)) == _NOT_DONE


def test_a_table_that_is_renamed_into_its_place(configuration: Configuration, tmp_path: Path) -> None:
    """postmap does so, after the wall was put up: folders are allowed, and not files."""

    def look() -> None:
        (signals := tmp_path / "data" / "ready").write_text("x")
        while signals.exists():
            pass
        assert (tmp_path / "target" / "linked").read_text() == "new\n"

    def replace() -> None:
        while not (tmp_path / "data" / "ready").exists():
            pass
        (tmp_path / "elsewhere" / "new").write_text("new\n")
        (tmp_path / "elsewhere" / "new").rename(tmp_path / "target" / "linked")
        (tmp_path / "data" / "ready").unlink()

    thread = threading.Thread(target=replace)
    thread.start()
    assert _behind(planned(configuration), look) == _NOT_DONE
    thread.join()


def test_memory_ends(configuration: Configuration) -> None:
    limit = 300 << 20
    wall = planned(configuration.with_settings({"worker_memory_limit": str(limit)}))
    assert _behind(wall, lambda: resource.getrlimit(resource.RLIMIT_DATA) == (limit, limit) or 1 / 0) == _NOT_DONE
    assert _behind(wall, lambda: bytearray(limit)) == "MemoryError()"
    assert _behind(wall, lambda: mmap.mmap(-1, 2 * limit, prot=mmap.PROT_READ)) == _NOT_DONE  # as databases are mapped


def test_which_folders_are_named(configuration: Configuration, tmp_path: Path) -> None:
    """Those of files, where links lead too; of folders only those of certificates."""
    more = configuration.with_settings({"smtp_tls_CApath": f"{tmp_path}/elsewhere", "relay_domains": f"a.test !{tmp_path}/none/x"})
    named = set(walls.named_folders(more))
    assert {f"{tmp_path}/tables", f"{tmp_path}/target", f"{tmp_path}/elsewhere", f"{tmp_path}/none"} <= named
    assert not named & {f"{tmp_path}/vmail", f"{tmp_path}/spool", f"{tmp_path}/data"}


@pytest.mark.parametrize("value", ["regexp:{{/^Subject: x/ REJECT}}", "texthash:/aliases", "pcre:{{!/^To:/ OK}}"])
def test_a_file_in_no_folder_does_not_open_all_folders(configuration: Configuration, tmp_path: Path, value: str) -> None:
    """Nor does a pattern, which begins with a stroke as well."""
    wall = planned(configuration.with_settings({"header_checks": value}))
    assert "/" not in wall.read
    assert _behind(wall, lambda: FORBIDDEN["read a file elsewhere"](tmp_path)) in _SAYS_NO


@pytest.mark.parametrize("name", ["virtual_mailbox_base", "mail_spool_directory"])
def test_a_missing_folder_of_mailboxes_does_not_open_the_one_above(configuration: Configuration, tmp_path: Path, name: str) -> None:
    wall = planned(configuration.with_settings({name: f"{tmp_path}/elsewhere/missing"}))
    assert _behind(wall, lambda: FORBIDDEN["read a file elsewhere"](tmp_path)) in _SAYS_NO


def test_no_walls_where_none_are_wanted(configuration: Configuration, tmp_path: Path) -> None:
    wall = planned(configuration.with_settings({"worker_walls": "no"}))
    assert _behind(wall, lambda: FORBIDDEN["read a file elsewhere"](tmp_path)) == _NOT_DONE


def test_a_kernel_without_them(configuration: Configuration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landlock, "version", lambda: 0)
    monkeypatch.setattr(seccomp, "is_there", lambda: False)
    assert _behind(planned(configuration), lambda: FORBIDDEN["read a file elsewhere"](tmp_path)) == _NOT_DONE
    told = walls.missing(lambda: 0, lambda: False)
    assert [text.partition(":")[0] for text in told] == [
        "the kernel has no Landlock",
        "no libseccomp.so.2, or no seccomp in the kernel",
    ]


@pytest.mark.parametrize("abi", [2, 3, 5, 6, 7])
def test_older_kernels(configuration: Configuration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, abi: int) -> None:
    """What they do not know is not asked of them; what they do know is."""
    monkeypatch.setattr(landlock, "version", lambda: abi)
    assert _behind(planned(configuration), lambda: FORBIDDEN["read a file elsewhere"](tmp_path)) == "EACCES"
    assert _behind(planned(configuration), lambda: (tmp_path / "spool" / "store" / "x").write_text("x")) == _NOT_DONE


def test_files_that_the_file_of_a_table_names(tmp_path: Path) -> None:
    table = tmp_path / "tables" / "users.cf"
    table.parent.mkdir()
    table.write_text("dbpath = /var/lib/mail/mail.db\nquery = SELECT '%s'\n")
    configuration = CONFIGURATION.with_settings({"virtual_alias_maps": f"proxy:sqlite:{table}, sqlite:{tmp_path}/none"})
    assert {str(table.parent), "/var/lib/mail"} <= set(walls.named_folders(configuration))


def test_the_file_of_cyrus_and_what_it_names(tmp_path: Path) -> None:
    """Of each service, and whether we can do what it asks for or not: else the log would tell of a file that cannot be read."""
    main = f"compatibility_level = 3.6\ncyrus_sasl_config_path = /nonexistent:{tmp_path}/sasl\n"
    (tmp_path / "sasl").mkdir()
    (tmp_path / "main.cf").write_text(main)
    (tmp_path / "master.cf").write_text("".join(f"{n} inet n - n - - smtpd -o smtpd_sasl_path={n}\n" for n in (2525, 2526)))
    (tmp_path / "sasl" / "2525.conf").write_text("sasldb_path: /var/lib/sasl/a\n")
    (tmp_path / "sasl" / "2526.conf").write_text("auxprop_plugin: sql\nsasldb_path: /srv/sasl/b\n")
    assert {f"{tmp_path}/sasl", "/var/lib/sasl", "/srv/sasl"} <= set(walls.named_folders(load(tmp_path)))
