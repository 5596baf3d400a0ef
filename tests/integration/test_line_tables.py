"""tcp:, socketmap: and memcache: beside Postfix's own postmap(1), and a real Postfix, on the same servers; redis: with a log-in."""

import smtplib
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.integration.key_servers import Memcached, Redis
from tests.integration.line_servers import LineServer, Socketmap, TcpTable
from tests.integration.ports import listens
from tests.integration.system import System
from tests.integration.test_ldap_tables import ours, theirs
from tests.support import certificate
from tests.support.free_ports import free_port
from tests.support.running import wait_for

KNOWN = {
    "anna@example.com": "anna@store.test",
    "Anna@Example.Com": "other@store.test",
    "a b@example.com": "a value of several words",
    "100%@example.com": "100% %41",
    "grün@example.com": "grüner Wert",
    "example.com": "domain@store.test",
    "10.0.0.1": "REJECT go away",
}
KEYS = (*KNOWN, "ANNA@EXAMPLE.COM", "nobody@example.com", "anna", "@example.com", "10.0.0", "x\\", "a,b:c", "%41nna@example.com")
OURS, THEIRS = [str(Path(sys.executable).with_name("gatepost")), "postmap"], ["/usr/sbin/postmap"]
SPECS: dict[str, tuple[type[LineServer], str]] = {
    "socketmap": (Socketmap, "socketmap:inet:127.0.0.1:{}:aliases"),
    "tcp": (TcpTable, "tcp:127.0.0.1:{}"),
}


@pytest.fixture(params=SPECS)
def server(request: pytest.FixtureRequest) -> Iterator[tuple[LineServer, str]]:
    """(the server, the table that asks it)."""
    make, spec = SPECS[request.param]
    one = make(KNOWN)
    yield one, spec.format(one.port)
    one.clean()


def test_as_postmap(server: tuple[LineServer, str]) -> None:
    """The same answers, and the same questions: keys go as they are."""
    one, spec = server
    found = ours(spec, *KEYS)
    asked, one.asked = one.asked, []
    assert found == theirs(spec, *KEYS)
    assert asked == one.asked == [key.encode() for key in KEYS]


def test_what_the_server_cannot_answer(server: tuple[LineServer, str]) -> None:
    one, spec = server
    refusals = (b"later",) if spec.startswith("tcp") else (b"TEMP later", b"TIMEOUT ", b"PERM no such map")
    for refusal in refusals:
        one.refuses = {b"anna@example.com": refusal}
        warnings: list[str] = []
        assert ours(spec, "anna@example.com", "nobody", warnings=warnings) == ["failure", None]
        assert theirs(spec, "anna@example.com") == ["failure"]
        assert len(warnings) == 1
        assert refusal.decode().strip() in warnings[0]


def test_a_socketmap_behind_a_unix_socket_and_without_a_map(server: tuple[LineServer, str], tmp_path: Path) -> None:
    _, spec = server
    if spec.startswith("socketmap"):
        other = spec.replace(":aliases", ":no-such-map")
        assert ours(other, "anna@example.com") == theirs(other, "anna@example.com") == [None]
    path = tmp_path / "socket"
    for ask in (ours, theirs):
        assert ask(f"socketmap:unix:{path}:aliases", "anna@example.com") == ["failure"]


def test_which_keys_a_running_gatepost_asks(system: Callable[..., System], server: tuple[LineServer, str]) -> None:
    """Whole ones only: no parts of an address, a name or a network (socketmap_table(5), tcp_table(5))."""
    one, spec = server
    one.known[b"ok@example.test"] = b"b@example.test"
    gatepost = system(
        f"virtual_mailbox_maps = static:box/\nvirtual_alias_maps = {spec}\nrecipient_delimiter = +\n"
        f"smtpd_client_restrictions = check_client_access {spec}\nsmtpd_sender_restrictions = check_sender_access {spec}\n"
    ).start()
    with smtplib.SMTP("127.0.0.1", gatepost.port, timeout=60) as client:
        client.ehlo("client.example.com")
        assert client.mail("a+b@sub.example.net")[0] == 250
        assert client.rcpt("ok+more@example.test")[0] == 250
    asked = set(one.asked)
    assert {b"127.0.0.1", b"a+b@sub.example.net", b"ok+more@example.test"} <= asked
    parts = {b"127.0.0", b"127", b"example.net", b"net", b"@example.test", b"ok", b"ok@example.test", b"a@", b"test"}
    assert not asked & parts


@pytest.mark.parametrize("name", ["alias_maps", "virtual_mailbox_maps"])
def test_such_a_server_gives_no_rights(system: Callable[..., System], server: tuple[LineServer, str], name: str) -> None:
    """Commands and files: the mail waits, as with Postfix."""
    one, spec = server
    one.known |= {b"box@example.test": b"box/", b"box": b"|/bin/true"}
    gatepost = system(f"{name} = {spec}\nmydestination = local.test\nlocal_recipient_maps =\n").start()
    gatepost.send("Subject: waits.\r\n\r\nx\r\n", to="box@local.test" if name == "alias_maps" else "box@example.test")
    wait_for(lambda: "status=deferred" in gatepost.log(), gatepost.log)
    gatepost.logged("is not allowed for security-sensitive data")


# memcached


@pytest.fixture
def memcached() -> Iterator[Memcached]:
    one = Memcached({key: value for key, value in KNOWN.items() if " " not in key and key.lower() == key})
    yield one
    one.clean()


def memcache(folder: Path, port: int, more: str = "") -> str:
    path = folder / "memcache.cf"
    path.write_text(f"memcache = inet:127.0.0.1:{port}\n{more}\n")
    return f"memcache:{path}"


@pytest.mark.parametrize(
    "more",
    ["", "key_format = %s", "key_format = %u@%d", "key_format = %u@%2.%1", "key_format = %1", "domain = example.com",
     "key_format = %%%s"],
)  # fmt: skip
def test_memcache_as_postmap(memcached: Memcached, tmp_path: Path, more: str) -> None:
    memcached.tell([b"set %c 0 0 1\r\nx\r\n" % ord("%")])
    spec = memcache(tmp_path, memcached.port, more)
    assert ours(spec, *KEYS) == theirs(spec, *KEYS)


def test_memcache_before_a_backup(memcached: Memcached, tmp_path: Path) -> None:
    """What memcached does not know, the backup says; from then on memcached knows it; and it may fail."""
    source = tmp_path / "backup"
    source.write_text("berta@example.com berta@store.test\nanna@example.com stale\n")
    subprocess.run(["/usr/sbin/postmap", f"hash:{source}"], check=True)
    spec = memcache(tmp_path, memcached.port, f"backup = hash:{source}\nkey_format = aliases:%s\nttl = 100")
    keys = ("berta@example.com", "anna@example.com", "nobody@example.com", "a b@example.com")
    want = ["berta@store.test", "stale", None, None]
    for _ in range(2):
        assert ours(spec, *keys) == want
    assert memcached.tell([b"get aliases:berta@example.com\r\n"])[0].startswith(b"VALUE")
    assert memcached.tell([b"get aliases:nobody@example.com\r\n"]) == [b"END\r\n"]
    assert theirs(spec, *keys) == want
    memcached.stop()
    for ask in (ours, theirs):
        assert ask(spec, *keys) == want


def test_memcache_forgets(memcached: Memcached, tmp_path: Path) -> None:
    """postmap -d; -s needs a backup; nothing is built."""
    spec = memcache(tmp_path, memcached.port)
    for command in (THEIRS, OURS):
        memcached.tell(memcached.lines({"anna@example.com": "x"}))
        run = [subprocess.run([*command, "-d", key, spec], capture_output=True).returncode for key in ("anna@example.com",) * 2]
        assert run == [0, 1]
        assert ours(spec, "anna@example.com") == [None]
    said = [postmap(command, "-s", spec) for command in (THEIRS, OURS)]
    assert said[0] == said[1]


def postmap(command: Sequence[str], *words: str, text: str = "a b\n") -> tuple[int, str, str]:
    """Exit status, output, and what is said, without names and columns."""
    done = subprocess.run([*command, *words], input=text, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr.removeprefix("postmap: ").strip()


@pytest.mark.parametrize("words", [["-s"], ["-d", "a"], ["-i"], ["-ir"], []])
def test_what_is_not_there_to_be_changed(server: tuple[LineServer, str], words: list[str]) -> None:
    _, spec = server
    assert postmap(OURS, *words, spec) == postmap(THEIRS, *words, spec)


# Redis


@pytest.fixture
def redis() -> Iterator[Redis]:
    one = Redis({"anna@example.com": "anna@store.test", "mail:anna": "anna"}, "--requirepass", "")
    yield one
    one.clean()


def test_redis(redis: Redis, tmp_path: Path) -> None:
    def ask(more: str, *keys: str) -> list[str | None]:
        path = tmp_path / "redis.cf"
        path.write_text(f"redis = inet:127.0.0.1:{redis.port}\n{more}\n")
        return ours(f"redis:{path}", *keys)

    assert ask("", "anna@example.com", "nobody") == ["anna@store.test", None]
    assert ask("key_format = mail:%u\nresult_format = %s@%D", "anna@example.com", "anna") == ["anna@example.com", None]
    redis.tell([b"HSET aliases anna@example.com field\r\n", b"SELECT 3\r\n", b"CONFIG SET requirepass secret\r\n"])
    assert ask("", "anna@example.com") == ["failure"]
    assert ask("password = wrong", "anna@example.com") == ["failure"]
    assert ask("password = secret", "anna@example.com") == ["anna@store.test"]
    assert ask("user = default\npassword = secret", "anna@example.com") == ["anna@store.test"]
    assert ask("password = secret\ndatabase = 3", "anna@example.com") == [None]
    assert ask("password = secret\ndatabase = 99", "anna@example.com") == ["failure"]
    hash = "password = secret\nkey_format = aliases\nfield_format = %s"
    assert ask(hash, "anna@example.com", "nobody") == ["field", None]
    assert ask("password = secret\nkey_format = aliases", "anna@example.com") == ["failure"]  # a hash is no string


def test_redis_repeats_no_password(redis: Redis, tmp_path: Path) -> None:
    """A server that does not know AUTH (another one, or one that calls it otherwise) says so with the words of the command."""
    redis.stop()
    redis._more = ("--rename-command", "AUTH", "")
    redis.start()
    path = tmp_path / "redis.cf"
    path.write_text(f"redis = inet:127.0.0.1:{redis.port}\npassword = s3cret\n")
    warnings: list[str] = []
    assert ours(f"redis:{path}", "anna@example.com", warnings=warnings) == ["failure"]
    assert any("unknown command" in line for line in warnings) and not any("s3cret" in line for line in warnings)


REDIS_TLS = {
    "the authority is known": ("tls_CAfile = {ca}", ["anna@store.test"]),
    "nobody looks": ("tls_verify_cert = no", ["anna@store.test"]),
    "the authority is unknown": ("", ["failure"]),
    "the name is another": ("tls_CAfile = {ca}\nredis = inet:localhost:{port}", ["failure"]),
    "the server has none": ("tls_CAfile = {ca}\nredis = inet:127.0.0.1:{plain}", ["failure"]),
}


@pytest.fixture(scope="module")
def redis_tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Redis, int, Path]]:
    folder, port = tmp_path_factory.mktemp("redis"), free_port()
    made = certificate.make(folder, "redis.test,IP:127.0.0.1")
    files = ("--tls-cert-file", str(made.chain), "--tls-key-file", str(made.key), "--tls-ca-cert-file", str(made.authority))
    one = Redis({"anna@example.com": "anna@store.test"}, "--tls-port", str(port), "--tls-auth-clients", "no", *files)
    wait_for(lambda: listens(port), "TLS of Redis")
    yield one, port, made.authority
    one.clean()


@pytest.mark.parametrize("name", REDIS_TLS)
def test_redis_with_tls(redis_tls: tuple[Redis, int, Path], tmp_path: Path, name: str) -> None:
    one, port, authority = redis_tls
    more, found = REDIS_TLS[name]
    place = {"port": port, "plain": one.port, "ca": authority}
    settings = dict(line.split(" = ") for line in f"redis = inet:127.0.0.1:{port}\ntls = yes\n{more}".format(**place).splitlines())
    path = tmp_path / "redis.cf"
    path.write_text("".join(f"{name} = {value}\n" for name, value in settings.items()))
    assert ours(f"redis:{path}", "anna@example.com") == found
