"""Lookups in tables beside Postfix's proxymap(8) and postmap(1): `python -m bench.tables [TYPE ...] [--clients N ...]`.

The same keys of the same server, or of files made of the same text. Postfix: so many `postmap -q -` at one time, through proxy: of
a running private Postfix (as smtpd and cleanup ask), and for hash: without it as well. Ours: one process with one event loop, as a
worker is. They take turns, and the best round of each counts. Told are lookups/s, and CPU a lookup of the asking side.
"""

import argparse
import os
import random
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from bench.ldap_tables import _PROXYMAP, _children, _cpu, _measure, ours
from tests.integration.key_servers import Memcached, Redis
from tests.integration.postfix import Postfix
from tests.integration.sql_servers import PASSWORD, USER, MariaDb, PostgreSql

from gatepost.cli import postmap

_ENTRIES = 20_000
_QUERY = "query = SELECT goto FROM aliases WHERE address = '%s'\n"
_VALUES = {f"user{number}@example.com": f"box{number}@store.test" for number in range(_ENTRIES)}

Specs = tuple[str, str]
"""A table as Postfix names it, and as we do; Postfix's empty where it has none."""


@contextmanager
def _sql(kind: str, make: Callable[..., PostgreSql | MariaDb], folder: Path) -> Iterator[Specs]:
    server = make({key: [value] for key, value in _VALUES.items()}, "CREATE INDEX by_address ON aliases (address);")
    file = folder / f"{kind}.cf"
    file.write_text(f"hosts = 127.0.0.1:{server.port}\nuser = {USER}\npassword = {PASSWORD}\ndbname = mail\n{_QUERY}")
    try:
        yield f"{kind}:{file}", f"{kind}:{file}"
    finally:
        server.clean()


@contextmanager
def _sqlite(folder: Path) -> Iterator[Specs]:
    path, file = folder / "mail.db", folder / "sqlite.cf"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE aliases (address TEXT PRIMARY KEY, goto TEXT)")
        database.executemany("INSERT INTO aliases VALUES (?, ?)", _VALUES.items())
    database.close()
    file.write_text(f"dbpath = {path}\n{_QUERY}")
    yield f"sqlite:{file}", f"sqlite:{file}"


@contextmanager
def _keys(kind: str, make: Callable[..., Memcached | Redis], folder: Path) -> Iterator[Specs]:
    server = make(_VALUES)
    file = folder / f"{kind}.cf"
    file.write_text(f"{kind} = inet:127.0.0.1:{server.port}\n")
    try:
        yield f"{kind}:{file}" if kind == "memcache" else "", f"{kind}:{file}"
    finally:
        server.clean()


@contextmanager
def _hash(folder: Path) -> Iterator[Specs]:
    source = folder / "table"
    source.write_text("".join(f"{key}\t{value}\n" for key, value in _VALUES.items()))
    subprocess.run(["/usr/sbin/postmap", f"hash:{source}"], check=True)
    assert postmap.main(["postmap", f"hash:{source}"]) == 0
    yield f"hash:{source}", f"hash:{source}"


_TYPES = {
    "hash": _hash,
    "memcache": partial(_keys, "memcache", Memcached),
    "mysql": partial(_sql, "mysql", MariaDb),
    "pgsql": partial(_sql, "pgsql", PostgreSql),
    "redis": partial(_keys, "redis", Redis),
    "sqlite": _sqlite,
}


def theirs(postfix: Postfix, spec: str, asked: list[str], together: int) -> None:
    command = ["postmap", "-c", str(postfix.folder / "conf"), "-q", "-", spec]
    started = []
    for number in range(together):
        share = asked[number::together]
        file = postfix.folder / f"keys{number}"
        file.write_text("\n".join(share) + "\n")
        with file.open() as lines:
            started.append((len(share), subprocess.Popen(command, stdin=lines, stdout=subprocess.PIPE)))
    for wanted, process in started:
        found, _ = process.communicate()
        assert found.count(b"\n") == wanted


def _compare(kind: str, specs: Specs, folder: Path, together: int, lookups: int, rounds: int) -> None:
    their, our = specs
    with ExitStack() as stack:
        sides: dict[str, tuple[Callable[[list[str]], None], Callable[[], float]]] = {
            "gatepost": (lambda asked: ours(our, asked, together), lambda: _cpu([os.getpid()]))
        }
        if their:
            postfix = Postfix(f"virtual_alias_maps = proxy:{their}\nproxy_read_maps = proxy:{their} {their}\n", _PROXYMAP)
            stack.callback(postfix.clean)
            master = int((postfix.folder / "spool/pid/master.pid").read_text())
            everybody = partial(lambda master: _cpu([os.getpid(), *_children(master)]), master)
            sides["proxymap"] = partial(theirs, postfix, f"proxy:{their}", together=together), everybody  # type: ignore[assignment]
            if kind == "hash":
                sides["postmap"] = partial(theirs, postfix, their, together=together), everybody  # type: ignore[assignment]
        best: dict[str, tuple[float, ...]] = {}
        for _ in range(rounds):
            asked = random.choices(list(_VALUES), k=lookups)
            for name, (work, cpu) in sides.items():
                found = _measure(partial(work, asked), lookups, cpu, lambda: 0.0)
                best[name] = max(best.get(name, (0.0,)), found)
    for name, (rate, own, _) in best.items():
        ratio = f"  ratio {best['gatepost'][0] / rate:.2f}" if name != "gatepost" else ""
        print(f"{kind:9} {together:3} at one time  {name:9} {rate:8.0f}/s  {own:6.1f} us CPU{ratio}", flush=True)


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("types", nargs="*", default=sorted(_TYPES))
    arguments.add_argument("--lookups", type=int, default=20_000)
    arguments.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32])
    arguments.add_argument("--rounds", type=int, default=3)
    asked = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        for kind in asked.types:
            with _TYPES[kind](folder) as specs:
                for together in asked.clients:
                    _compare(kind, specs, folder, together, asked.lookups, asked.rounds)


if __name__ == "__main__":
    main()
