"""The world of a case: namespaces, name service, users, stub servers, the configuration, and a Gatepost that runs in it."""

import ctypes
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import ModuleType
from typing import Any

OWN = Path(__file__).parent / "cases"
_CLONE_NEWNS, _CLONE_NEWNET, _CLONE_NEWUTS = 0x00020000, 0x40000000, 0x04000000
_MS_BIND, _MS_REC, _MS_PRIVATE = 4096, 16384, 1 << 18

_USERS = (
    ("alice", 2001, "Alice Liddell"),
    ("bob", 2002, "Bob Builder,Room 1"),
    ("carol", 2003, "Carol"),
    ("vmail", 2010, "Virtual mail"),
)
# A golden run sets these where our default is deliberately safer than that of Postfix 3.7 (docs/differences.md).
_CLASSIC_DEFAULTS = {"smtpd_forbid_bare_newline": "no", "smtpd_forbid_unauth_pipelining": "no"}


def _libc(name: str, *arguments: Any) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments):
        raise OSError(ctypes.get_errno(), f"{name} {arguments} (golden needs root)")


def enter(base: Path, home: Path) -> None:
    """Move this process into fresh network, mount and host-name namespaces with the recordings' hosts file, users and resolver."""
    _libc("unshare", _CLONE_NEWNS | _CLONE_NEWNET | _CLONE_NEWUTS)
    _libc("mount", b"none", b"/", None, _MS_REC | _MS_PRIVATE, None)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["hostname", "mail"], check=True)
    folder = Path(tempfile.mkdtemp(prefix="golden-etc-"))
    passwd = [line for line in Path("/etc/passwd").read_text().splitlines() if line.split(":")[0] not in {u[0] for u in _USERS}]
    group = [line for line in Path("/etc/group").read_text().splitlines() if line.split(":")[0] not in {u[0] for u in _USERS}]
    for name, uid, gecos in _USERS:
        passwd.append(f"{name}:x:{uid}:{uid}:{gecos}:{home}/{name}:/bin/sh")
        group.append(f"{name}:x:{uid}:")
    for name in ("postfix", "postdrop"):
        if not any(line.startswith(f"{name}:") for line in passwd):
            passwd.append(f"{name}:x:{2100 if name == 'postfix' else 2101}:2100::/var/spool/postfix:/usr/sbin/nologin")
        if not any(line.startswith(f"{name}:") for line in group):
            group.append(f"{name}:x:{2100 if name == 'postfix' else 2101}:")
    files = {
        "/etc/passwd": "\n".join(passwd) + "\n",
        "/etc/group": "\n".join(group) + "\n",
        "/etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
        "/etc/resolv.conf": "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",
        "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\nservices: files\n",
    }
    for target, text in files.items():
        source = folder / Path(target).name
        source.write_text(text)
        if not Path(target).exists():
            Path(target).touch()
        _libc("mount", str(source).encode(), target.encode(), None, _MS_BIND, None)
    os.environ["TZ"] = "UTC"
    time.tzset()


def stub(name: str) -> ModuleType:
    """One of the recordings' stub servers, as a module."""
    spec = importlib.util.spec_from_file_location(name, OWN / "stubs" / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Stubs:
    """DNS, policy and SASL stubs of a runner (started once, given new contents per case) and the SMTP sinks of a case."""

    def __init__(self) -> None:
        self._dns, self._policy, self._auth, self._smtp = (stub(n) for n in ("dns_stub", "policy_stub", "auth_stub", "smtp_stub"))
        self.zone = self._dns.Zone("")
        self._dns.serve(self.zone)
        self.policy = self._policy.Policy()
        self._policy.serve(self.policy)
        self.auth = self._auth.Auth()
        self._auth.serve(self.auth)
        self.sinks: dict[str, Any] = {}
        self._sockets: list[Any] = []

    def set(self, case: dict[str, Any], zone: str) -> None:
        """Contents for a case; `zone` is the common zone, the case's own records come on top."""
        records = [*zone.splitlines(), *case.get("dns", {}).get("records", [])]
        self.zone.load("\n".join({" ".join(record.split()): None for record in records}))  # each once
        self.policy.rules, self.policy.requests = list(case.get("policy", [])), []
        self.auth.cfg, self.auth.requests = case.get("auth") or self._auth.DEFAULT, []
        for where, behaviour in case.get("sinks", {}).items():
            address, port = where.rsplit(":", 1)
            self.sinks[where] = self._smtp.Sink(behaviour)
            self._sockets.append(self._smtp.serve(self.sinks[where], address.strip("[]"), int(port)))

    def clear(self) -> None:
        for sock in self._sockets:
            with_shutdown(sock)
        self.sinks, self._sockets = {}, []


def with_shutdown(sock: Any) -> None:
    """Close a listening socket that a thread is blocked on."""
    try:
        sock.shutdown(2)
    except OSError:
        pass
    sock.close()


class Place:
    """The folders of a case, and the recordings' placeholders."""

    def __init__(self, home: Path) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="golden-"))
        self.root.chmod(0o755)
        self.home = home
        for name in ("conf", "queue", "data", "out", "bin"):
            (self.root / name).mkdir()
        shutil.chown(self.root / "data", "postfix")
        (self.root / "out" / "mail").mkdir()
        for shared in ("out", "out/mail"):
            (self.root / shared).chmod(0o1777)
        self.names = {
            "{CONF}": str(self.root / "conf"),
            "{QUEUE}": str(self.root / "queue"),
            "{DATA}": str(self.root / "data"),
            "{LOG}": str(self.root / "mail.log"),
            "{TLS}": str(OWN / "base" / "tls"),
            "{HOME}": str(home),
            "{OUT}": str(self.root / "out"),
        }
        for name, uid, _ in _USERS:
            shutil.rmtree(home / name, ignore_errors=True)
            (home / name).mkdir(parents=True)
            (home / name).chmod(0o755)
            os.chown(home / name, uid, uid)

    def fill(self, text: str) -> str:
        for name, value in self.names.items():
            text = text.replace(name, value)
        return text

    def strip(self, text: str) -> str:
        for name, value in sorted(self.names.items(), key=lambda item: -len(item[1])):
            text = text.replace(value, name)
        return text

    def remove(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)


def configure(place: Place, base: Path, case: dict[str, Any]) -> None:
    """Write main.cf, master.cf and the tables of a case."""
    conf = Path(place.names["{CONF}"])
    (conf / "main.cf").write_text(place.fill(case["main_cf"] if "main_cf" in case else main_cf(base, case)))
    (conf / "master.cf").write_text(place.fill(case["master_cf"] if "master_cf" in case else master_cf(base, case)))
    for tool, kind, path in write_tables(place, base, case):
        run_tool(place, [tool, "-c", str(conf), f"{kind}:{path}"])


def write_tables(place: Place, base: Path, case: dict[str, Any]) -> list[tuple[str, str, Path]]:
    """Write the tables and files of a case; which are to be built: (postmap or postalias, type, source)."""
    conf = Path(place.names["{CONF}"])
    for name in ("aliases", "local_users", "include_list"):
        (conf / name).write_text(place.fill((base / name).read_text()))
    built = [("postalias", "hash", conf / "aliases")]
    for name, table in case.get("tables", {}).items():
        path = Path(place.fill(name)) if name.startswith("{") else conf / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = table if isinstance(table, str) else table["content"]
        path.write_text(place.fill(text))
        if isinstance(table, dict):
            if "mode" in table:
                path.chmod(int(table["mode"], 8))
            built += [(tool, table[tool], path) for tool in ("postmap", "postalias") if tool in table]
    for name, text in case.get("files", {}).items():
        path = Path(place.fill(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(place.fill(text if isinstance(text, str) else text["content"]))
        owner = place.home.joinpath(path.relative_to(place.home).parts[0]) if place.home in path.parents else None
        if owner:
            chown_up(path, owner)
        if isinstance(text, dict) and "mode" in text:
            path.chmod(int(text["mode"], 8))
    old = time.time() - 60
    for path in conf.iterdir():
        os.utime(path, (old, old))
    return built


def chown_up(path: Path, owner: Path) -> None:
    """Give a file, and the folders made for it below the owner's home, to the owner of that home."""
    status = owner.stat()
    while path != owner:
        os.chown(path, status.st_uid, status.st_gid)
        path = path.parent


def main_cf(base: Path, case: dict[str, Any]) -> str:
    own = {**_CLASSIC_DEFAULTS, **case.get("main", {})}
    kept = [line for line in (base / "main.cf").read_text().splitlines() if line.split("=")[0].strip() not in own]
    written = [f"{name} = {value}" for name, value in own.items() if value is not None]
    return "\n".join([*kept, *written, f"gatepost_accept_missing = {' '.join(_restrictions(own))}"]) + "\n"


def _restrictions(own: dict[str, Any]) -> list[str]:
    """The words of a case's restriction lists: those that nobody knows, Postfix meets when a client comes to them."""
    lists = [value for name, value in own.items() if name.endswith("_restrictions") and value and "{" not in value]
    return " ".join(lists).replace(",", " ").split()


def master_cf(base: Path, case: dict[str, Any]) -> str:
    entries = list(case.get("master", []))
    replaced = {tuple(entry.split()[:2]) for entry in entries}
    kept = [line for line in (base / "master.cf").read_text().splitlines() if tuple(line.split()[:2]) not in replaced]
    return "\n".join([*kept, *entries]) + "\n"


def run_tool(
    place: Place, command: list[str], *, stdin: str = "", uid: int | None = None, given: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run one of our commands under its Postfix name. `given`: more environment."""
    environment = {
        **os.environ,
        "MAIL_CONFIG": place.names["{CONF}"],
        "PATH": f"{tools()}:{os.environ['PATH']}",
        "TZ": "UTC",
        "LANG": "C",
        **(given or {}),
    }
    text = stdin.encode("utf-8", "surrogateescape")
    return subprocess.run(command, input=text, capture_output=True, env=environment, timeout=30, user=uid, group=uid, check=False)


def tools() -> Path:
    """A folder with our commands under Postfix's names, that any user may run."""
    folder = Path(f"/tmp/golden-tools-{os.getppid()}")
    if not folder.exists():
        building = folder.with_name(f"{folder.name}.{os.getpid()}")
        building.mkdir()
        path = ":".join(p for p in sys.path if p)
        script = f'#!/bin/sh\n{_pythons()}\nPYTHONPATH={path} exec $python -m gatepost.cli "$(basename "$0")" "$@"\n'
        from gatepost.cli import COMMANDS

        for name in {*COMMANDS} - {
            "start",
            "stop",
            "reload",
            "status",
            "check",
            "abort",
            "flush",
            "demo",
            "audit",
            "install-compat",
        }:
            (building / name).write_text(script)
            (building / name).chmod(0o755)
        try:
            building.rename(folder)
        except OSError:  # another player was quicker
            shutil.rmtree(building)
    return folder


def _pythons() -> str:
    """In sh: this Python where the caller may run it, else the system's of this version."""
    system = shutil.which(f"python{sys.version_info.major}.{sys.version_info.minor}", path="/usr/local/bin:/usr/bin")
    return f"python={sys.executable}; [ -x $python ] || python={system or sys.executable}"


class System:
    """A Gatepost of this case, forked from the runner (which has everything imported)."""

    def __init__(self, place: Place, *, deliver: bool) -> None:
        self._place = place
        if not deliver:
            with open(Path(place.names["{CONF}"]) / "main.cf", "a") as file:
                file.write("queue_deliver = no\n")
        with open(Path(place.names["{CONF}"]) / "main.cf", "a") as file:
            file.write("worker_processes = 1\n")
        self.pid = 0
        self.error = ""

    def start(self) -> bool:
        serving, started = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(serving)
            os.setsid()
            log = os.open(self._place.root / "stderr", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(log, 1)
            os.dup2(log, 2)
            from gatepost.cli.postfix import run

            os._exit(run(Path(self._place.names["{CONF}"]), lambda: os.write(started, b"\n")))
        os.close(started)
        alive = os.read(serving, 1) == b"\n"
        os.close(serving)
        return alive

    def stop(self) -> None:
        if not self.pid:
            return
        os.kill(self.pid, signal.SIGTERM)
        killer = threading.Timer(8, lambda: os.killpg(self.pid, signal.SIGKILL))
        killer.start()
        os.waitpid(self.pid, 0)
        killer.cancel()
        self.pid = 0

    def stderr(self) -> str:
        path = self._place.root / "stderr"
        return path.read_text(errors="replace") if path.exists() else ""


def cases(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    """(kind, case) for every case under `folder`; the kind is the name of the folder that holds its file."""
    found = []
    for path in sorted(folder.rglob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.strip():
                found.append((path.parent.name, json.loads(line)))
    return found
