"""smtp_sasl_password_maps that only root may read, the usual mode: every type of table that is a file, built or not."""

import subprocess
import sys
from base64 import b64encode
from pathlib import Path

import pytest

from tests.support.running import System, environment, wait_for
from tests.support.sink import Sink

TYPES = ("hash", "built hash", "lmdb", "texthash", "cidr", "pcre", "regexp", "proxy:hash", "unionmap", "inline")
_CLIENT = {
    "smtp_sasl_auth_enable": "yes",
    "smtp_sasl_security_options": "noanonymous",
    "smtp_connection_cache_on_demand": "no",
}


def written(system: System, kind: str, port: int, password: str) -> str:
    """A table that root alone may read, and its name in main.cf."""
    site, login = f"[127.0.0.1]:{port}", f"me:{password}"
    if kind == "inline":
        return f"inline:{{{{{site} = {login}}}}}"
    pattern = site.replace("[", r"\[").replace("]", r"\]").replace(".", r"\.")
    texts = {"pcre": f"/^{pattern}$/ {login}\n", "regexp": f"/^{pattern}$/ {login}\n", "cidr": f"127.0.0.1/32 {login}\n"}
    file = system.conf / "sasl_passwd"
    file.touch(0o600)
    file.write_text(texts.get(kind, f"{site} {login}\n"))
    if kind in ("built hash", "lmdb"):
        postmap(system, f"hash:{file}")
    if kind == "unionmap":
        return f"unionmap:{{texthash:{file}}}"
    return f"{kind.removeprefix('built ')}:{file}"


def postmap(system: System, table: str) -> None:
    command = [sys.executable, "-m", "gatepost.cli", "-c", str(system.conf), "postmap", table]
    subprocess.run(command, env=environment(), check=True)
    built = Path(table.partition(":")[2] + ".lmdb")
    assert built.stat().st_mode & 0o777 == 0o600


def said(password: str) -> bytes:
    return b"AUTH PLAIN " + b64encode(f"\0me\0{password}".encode())


@pytest.mark.parametrize("kind", TYPES)
def test_a_table_for_root_s_eyes(kind: str) -> None:
    with Sink(keywords=(b"AUTH PLAIN",)) as sink, System(_CLIENT, relay=sink.port) as system:
        for password in ("first", "second"):
            system.configure({"smtp_sasl_password_maps": written(system, kind, sink.port, password)})
            system.reload()
            wait_for(lambda: system.send() and said(password) in sink.commands, f"a log-in with the {password} password")
        assert "Permission denied" not in system.log()


@pytest.mark.parametrize("kind", ["hash", "built hash", "lmdb"])
def test_a_change_counts_without_a_reload(kind: str) -> None:
    """As in Postfix, of the types of table that are looked at again."""
    with Sink(keywords=(b"AUTH PLAIN",)) as sink, System(_CLIENT, relay=sink.port) as system:
        system.configure({"smtp_sasl_password_maps": written(system, kind, sink.port, "first")})
        system.reload()
        for password in ("first", "second", "third"):
            written(system, kind, sink.port, password)
            wait_for(lambda: system.send() and said(password) in sink.commands, f"a log-in with the {password} password")


def test_a_table_that_somebody_else_may_exchange_counts_at_a_reload() -> None:
    """Whoever has taken a worker over must not have the agent read what he likes."""
    with Sink(keywords=(b"AUTH PLAIN",)) as sink, System(_CLIENT, relay=sink.port) as system:
        folder = system.folder / "loose"
        folder.mkdir()
        folder.chmod(0o777)
        file = folder / "sasl_passwd"
        file.touch(0o600)
        file.write_text(f"[127.0.0.1]:{sink.port} me:first\n")
        system.configure({"smtp_sasl_password_maps": f"hash:{file}"})
        system.reload()
        wait_for(lambda: system.send() and said("first") in sink.commands, "a log-in")
        file.write_text(f"[127.0.0.1]:{sink.port} me:second\n")
        system.logged(f"{file} has changed: mail system configuration error: not allowed")
        before = sink.commands.count(said("first"))
        assert system.send()
        wait_for(lambda: sink.commands.count(said("first")) > before, "a log-in with what was read before")
        assert said("second") not in sink.commands
