"""Listening sockets: which ones the configuration wants, bound in the supervisor and inherited by the workers.

`inet` services listen on `inet_interfaces` unless their name says where (`127.0.0.1:10025`); `unix` services on
`<queue_directory>/private|public/<name>`, made as mail_owner, whose folders these are; roles (roles.py) have sockets of their own.
A reload keeps the sockets that stay, binds what is new and closes the rest.
"""

import contextlib
import errno
import os
import pwd
import socket
import stat
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from gatepost.config.configuration import Configuration
from gatepost.config.master import ServiceEntry
from gatepost.config.ports import known_ports, port_number
from gatepost.config.programs import program
from gatepost.mail.ascii_text import elements
from gatepost.service.inheritance import Listener
from gatepost.service.master.directories import OWN, own_folder
from gatepost.service.privileges import acting_as
from gatepost.service.roles import ROLES, Role
from gatepost.service.settings import MasterSettings

_BACKLOG = 1024
_BIND_PATIENCE = 3.0  # seconds: a predecessor that was just killed may still hold the port


class BindFailure(Exception):
    """A service of master.cf cannot listen; the text names it and says what to do."""


class Address(Struct, frozen=True):
    """One place to listen: `host` and `port`, or a `path`."""

    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        return self.path or (f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}")


class Listeners:
    """All sockets of one configuration."""

    def __init__(self) -> None:
        self._bound: dict[Address, socket.socket] = {}
        self._entries: dict[Address, ServiceEntry] = {}
        self._own: dict[Path, socket.socket] = {}
        self._left_over: dict[Address, socket.socket] = {}
        self._own_left_over: dict[Path, socket.socket] = {}
        self._shared: frozenset[Address | Path] = frozenset()
        self._owner = (os.geteuid(), os.getegid())

    def bind(self, configuration: Configuration) -> None:
        """Bind everything that `configuration` wants. Raises BindFailure, UnsafeDirectory, OSError, KeyError for an unknown
        owner."""
        settings = configuration.view(MasterSettings)
        queue = Path(settings.queue_directory)
        self._owner = _owner(settings)
        for entry, address in wanted(configuration):
            if address not in self._bound:
                self._bound[address] = _listen(address, entry, self._owner)
            self._entries[address] = entry
        for path in _of_roles(configuration):
            if path not in self._own:
                self._own[path] = _listen_as_role(queue, path, self._owner)

    def rebound(self, configuration: Configuration) -> "Listeners":
        """The listeners of a new configuration, sharing the sockets that stay. Raises what bind() does, and leaves ours as they
        are."""
        fresh = Listeners()
        wants = list(wanted(configuration))
        fresh._own = {path: self._own[path] for path in _of_roles(configuration) if path in self._own}
        fresh._bound = {address: self._bound[address] for _, address in wants if address in self._bound}
        fresh._shared = frozenset((*fresh._bound, *fresh._own))
        try:
            fresh.bind(configuration)
        except BaseException:
            fresh.close_new()
            raise
        fresh._left_over = {address: sock for address, sock in self._bound.items() if address not in fresh._bound}
        fresh._own_left_over = {path: sock for path, sock in self._own.items() if path not in fresh._own}
        return fresh

    def close_left_over(self) -> None:
        """Close what the configuration before the last reload had and this one has not."""
        self._close(self._left_over)
        _close_own(self._own_left_over)
        self._left_over, self._own_left_over = {}, {}

    def close_new(self) -> None:
        """Close what only this configuration has: it was given up."""
        self._close({address: sock for address, sock in self._bound.items() if address not in self._shared})
        _close_own({path: sock for path, sock in self._own.items() if path not in self._shared})

    def left_to(self, role: Role) -> tuple[tuple[Listener, ...], dict[Path, socket.socket]]:
        """In a child: the sockets of master.cf's services and those of its own that a role accepts from; all others are closed."""
        kept = {path: self._own[path] for path in role.sockets}
        services, closed = {}, []
        for address, sock in self._bound.items():
            if role.spawns if program(self._entries[address].program).spawned else role.serves:
                services[address] = sock
            else:
                closed.append(sock)
        closed += [own for path, own in self._own.items() if path not in kept]
        # Those that are left over: else nobody would ever accept what still connects there.
        for sock in (*closed, *self._left_over.values(), *self._own_left_over.values()):
            sock.close()
        return tuple(Listener(self._entries[address], sock) for address, sock in services.items()), kept

    def close(self) -> None:
        self._close(self._bound)
        _close_own(self._own)

    def _close(self, sockets: Mapping[Address, socket.socket]) -> None:
        """Close these, and let nobody find their names any more."""
        for address, sock in sockets.items():
            sock.close()
            if address.path:
                with acting_as(*self._owner), contextlib.suppress(OSError):
                    os.unlink(address.path)


def _of_roles(configuration: Configuration) -> list[Path]:
    """The sockets of the roles that there are."""
    return [path for role in ROLES if role.is_wanted(configuration) for path in role.sockets]


def _close_own(sockets: Mapping[Path, socket.socket]) -> None:
    """Close sockets of roles, whose names stay until they are bound again."""
    for sock in sockets.values():
        sock.close()


def wanted(configuration: Configuration) -> Iterator[tuple[ServiceEntry, Address]]:
    """Each listening service of master.cf with every address that it listens on. Raises BindFailure for a name that means none."""
    settings = configuration.view(MasterSettings)
    ports = known_ports(settings.known_tcp_ports)
    for entry in configuration.services:
        if entry.type not in program(entry.program).listens or is_disabled(entry, settings.master_service_disable):
            continue
        if entry.type == "inet":
            for address in inet_addresses(entry, settings, ports):
                yield entry, address
        else:
            folder = "private" if entry.private else "public"
            yield entry, Address(path=str(Path(settings.queue_directory) / folder / entry.name))


def inet_addresses(entry: ServiceEntry, settings: MasterSettings, ports: Mapping[str, int]) -> list[Address]:
    """Where a service of the network listens; `ports`: known_ports(). Raises BindFailure."""
    return [Address(host=host, port=_port(entry, ports)) for host in _hosts(entry, settings)]


def is_disabled(entry: ServiceEntry, patterns: str) -> bool:
    """Whether master_service_disable takes a service out: `type` or `name/type`, with `!` before it for the contrary; the first
    that fits decides."""
    for pattern in elements(patterns):
        if pattern.lstrip("!") in (entry.type, entry.key):
            return not pattern.startswith("!")
    return False


def _split(entry: ServiceEntry) -> tuple[str, str]:
    """Host and port of an inet service name; the host is empty where it names none."""
    host, colon, port = entry.name.rpartition(":")
    return (host.strip("[]"), port) if colon else ("", entry.name)


def _port(entry: ServiceEntry, ports: Mapping[str, int]) -> int:
    name = _split(entry)[1]
    try:
        return port_number(name, ports)
    except ValueError:
        raise BindFailure(
            f"{entry.file}:{entry.line}: no such service: {name} (name a port number, or add it to known_tcp_ports)"
        ) from None


def _hosts(entry: ServiceEntry, settings: MasterSettings) -> list[str]:
    host = _split(entry)[0]
    families = _families(settings.inet_protocols)
    if host:
        return _resolve(host, families, entry)
    hosts: list[str] = []
    for interface in elements(settings.inet_interfaces):
        if interface == "all":
            hosts += [any_ for family, any_ in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")) if family in families]
        elif interface == "loopback-only":
            hosts += [one for family, one in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")) if family in families]
        else:
            hosts += _resolve(interface.strip("[]"), families, entry)
    return list(dict.fromkeys(hosts))


def _families(inet_protocols: str) -> set[socket.AddressFamily]:
    names = set(elements(inet_protocols.lower()))
    families: set[socket.AddressFamily] = set()
    if names & {"ipv4", "all"}:
        families.add(socket.AF_INET)
    if names & {"ipv6", "all"} and _has_ipv6():
        families.add(socket.AF_INET6)
    return families


def _has_ipv6() -> bool:
    try:
        socket.socket(socket.AF_INET6, socket.SOCK_STREAM).close()
    except OSError:
        return False
    return Path("/proc/net/if_inet6").exists()


def _resolve(host: str, families: set[socket.AddressFamily], entry: ServiceEntry) -> list[str]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise BindFailure(f"{entry.file}:{entry.line}: host not found: {host} ({error.strerror}); check inet_interfaces") from None
    return list(dict.fromkeys(str(answer[4][0]) for answer in found if answer[0] in families))


def _owner(settings: MasterSettings) -> tuple[int, int]:
    """uid and gid of those whose sockets users of `private` and `public` look for. Raises KeyError."""
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    user = pwd.getpwnam(settings.mail_owner)
    return user.pw_uid, user.pw_gid


def _listen(address: Address, entry: ServiceEntry, owner: tuple[int, int]) -> socket.socket:
    try:
        if address.path:
            return _listen_unix(address.path, owner, 0o666)
        return listen_inet(address)
    except OSError as error:
        hint = {
            errno.EADDRINUSE: "another program listens there: stop it, or change the service's name in master.cf",
            errno.EACCES: "only root may: start as root, or use a port above 1023",
            errno.EADDRNOTAVAIL: "this machine has no such address: check inet_interfaces",
        }.get(error.errno or 0, "check the service's line in master.cf")
        raise BindFailure(f"{entry.file}:{entry.line}: bind {address}: {error.strerror}; {hint}") from None


def listen_inet(address: Address) -> socket.socket:
    """A socket at an address of the network. Raises OSError."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    deadline = time.monotonic() + _BIND_PATIENCE
    while True:
        try:
            sock.bind((address.host, address.port))
            break
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                sock.close()
                raise
            time.sleep(0.05)
    sock.listen(_BACKLOG)
    sock.setblocking(False)
    return sock


def _listen_as_role(queue: Path, path: Path, owner: tuple[int, int]) -> socket.socket:
    """A socket of a role's own at `path` below the queue. In the folder OWN, where nobody but us could put another one in its
    place, only the workers can connect: it is mail_owner's. Elsewhere every user can."""
    if path.parts[0] != OWN:
        return _listen_unix(str(queue / path), owner, 0o666)
    with own_folder(queue, OWN) as folder:
        sock = _listen_unix(f"/proc/self/fd/{folder}/{path.name}", (os.geteuid(), os.getegid()), 0o600)
        if os.geteuid() == 0:
            os.chown(path.name, owner[0], -1, dir_fd=folder, follow_symlinks=False)
    return sock


def _listen_unix(path: str, owner: tuple[int, int], mode: int) -> socket.socket:
    """A socket at `path`, made by `owner` in a folder of theirs, in the place of one that was left there. Raises OSError."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o777 & ~mode)
    try:
        with acting_as(*owner):
            with contextlib.suppress(FileNotFoundError):
                if not stat.S_ISSOCK(os.lstat(path).st_mode):
                    raise FileExistsError(errno.EEXIST, f"{path} is not a socket: move it away")
                os.unlink(path)
            sock.bind(path)
    except OSError:
        sock.close()
        raise
    finally:
        os.umask(before)
    sock.listen(_BACKLOG)
    sock.setblocking(False)
    return sock
