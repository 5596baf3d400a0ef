"""Where addresses without a plain user@domain go, beside Postfix's trivial-rewrite(8): its own host name may be of any class."""

import asyncio
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from gatepost.lookup.registry import Tables
from gatepost.routing.routing import Routing
from gatepost.routing.settings import RoutingSettings
from tests.integration.postfix import Postfix
from tests.support.settings import default

_OWN = "next.example.net"
_ADDRESSES = (
    *("", "x", '""', '"x y"', "x@", "@", ".", "x.", "%", "a%", "!a", "a!b", "a%b.test"),
    *(f"a%{_OWN}", f"{_OWN}!x", f"@{_OWN}", f'""@{_OWN}', f"x@{_OWN}.", f"a%b.test@{_OWN}", f'"a@{_OWN}"', '"a%b.test"'),
    *("x@[127.0.0.1]", "@[127.0.0.1]", '""@[127.0.0.1]', "x@[127.0.0.1]@", "a@b.test@[127.0.0.1]", '"a@b.test"@[127.0.0.1]'),
    *(f"x@{_OWN}@[127.0.0.1]", f"x@[127.0.0.1]@{_OWN}", "x@localhost"),
    *(
        "-a@b.test",
        "b.test!-a",
        f"{_OWN}!-a",
        "-a%b.test@[127.0.0.1]",
        "@b.test:",
        "@b.test:a@c.test",
        '"@b.test:a"@c.test',
        "@a,@b:",
    ),
)
_SETTINGS: dict[str, dict[str, str]] = {
    "nowhere": {},
    "alias": {"virtual_alias_domains": _OWN},
    "mailbox": {"virtual_mailbox_domains": _OWN},
    "relay": {"relay_domains": _OWN},
    "local": {"mydestination": _OWN},
    "localhost": {"mydestination": "localhost"},
    "transport": {"transport_maps": f"inline:{{{_OWN}=a:b,x@{_OWN}=c:d,@{_OWN}=g:h,*=e:f}}"},
    "relayhost": {"relayhost": "[out.test]"},
    "quoted": {"resolve_dequoted_address": "no"},
    "null": {"resolve_null_domain": "yes"},
    "plain": {"allow_percent_hack": "no", "swap_bangpath": "no"},
}
_ROUTED, _ERROR, _FAIL = 2, 4, 8  # flags of an answer


def _service(name: str, settings: Mapping[str, str]) -> str:
    options = "".join(f"  -o {{ {parameter} = {value} }}\n" for parameter, value in settings.items())
    return f"resolve-{name} unix - - n - - trivial-rewrite\n{options}"


@pytest.fixture(scope="module")
def postfix() -> Iterator[Postfix]:
    one = Postfix(master="".join(_service(name, settings) for name, settings in _SETTINGS.items()))
    yield one
    one.clean()


def _theirs(socket_path: Path, address: str) -> tuple[bool, ...] | tuple[str, str, str, bool]:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(socket_path))
        with connection.makefile("rwb") as stream:
            while stream.read(1) != b"\0" or stream.read(1) != b"\0":
                pass  # its greeting
            stream.write(b"request\0resolve\0sender\0\0address\0" + address.encode() + b"\0\0")
            stream.flush()
            words = b""
            while not words.endswith(b"\0\0"):
                words += stream.read(1)
    _, _, _, transport, _, nexthop, _, recipient, _, flags, *_ = words.decode().split("\0")
    if int(flags) & (_ERROR | _FAIL):
        return (False,)
    return transport, nexthop, recipient, bool(int(flags) & _ROUTED)


def _routing(settings: Mapping[str, str]) -> Routing:
    own = {"myhostname": _OWN, "mydomain": "example.net", "myorigin": _OWN, "mydestination": "", "local_transport": f"local:{_OWN}"}
    own |= {"virtual_mailbox_domains": "example.net", "parent_domain_matches_subdomains": "relay_domains"}
    words: dict[str, object] = {name: {"yes": True, "no": False}.get(value, value) for name, value in (own | settings).items()}
    tables = Tables(lambda _: None)
    return Routing(default(RoutingSettings, **words), tables, frozenset(("127.0.0.1",)), mapping=tables)


def _ours(routing: Routing, address: str) -> tuple[bool, ...] | tuple[str, str, str, bool]:
    route = asyncio.run(routing.resolve(address))
    return (False,) if route.failure is not None else (route.transport, route.nexthop, route.recipient, route.routed)


@pytest.mark.parametrize("name", _SETTINGS)
def test_as_postfix(postfix: Postfix, name: str) -> None:
    path = postfix.folder / "spool/private" / f"resolve-{name}"
    routing = _routing(_SETTINGS[name])
    for address in (*_ADDRESSES, *reversed(_ADDRESSES)):  # what was asked before must not count
        answer = _theirs(path, address)
        assert _ours(routing, address) == answer, address
        assert _ours(_routing(_SETTINGS[name]), address) == answer, address
