"""What an obfuscated URI stands for: the forms of it that a browser would make, and where redirectors lead to."""

import codecs
import re
from ipaddress import IPv4Address
from typing import Final

from gatepost.filter.text.uris.redirectors import Redirectors

_CODE: Final = re.compile(r"%(2[1-9a-fA-F]|[3-6][0-9a-fA-F]|7[0-9a-eA-E])")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_SLASHES: Final = re.compile(r"\A(https?:)/?(?=[^/])", re.IGNORECASE)
_PARTS: Final = re.compile(
    r"(?P<scheme>https?|ftp)://(?:(?P<login>[^/?#@]*)@)?(?P<host>[^/?#:]*)(?::(?P<port>\d*))?(?P<rest>.*)", re.I | re.S
)
_NESTED: Final = re.compile(r"https?:/+[^/]+/.*?(https?:/{0,2}[^&#]+)", re.IGNORECASE)
_NUMBER: Final = re.compile(r"(0x[0-9a-f]{1,8}|\d{1,12})\Z", re.IGNORECASE)
_PORTS: Final = {"http": "80", "https": "443"}
_MOST: Final = 40
"""Forms of one URI, about."""
_CONTROLS: Final = re.compile(r"[\x00-\x1f]+")
_LONGEST: Final = 8192
_SHORTEST: Final = 2
for _codec in ("idna", "punycode"):
    codecs.lookup(_codec)  # where mail is scanned, nothing can be loaded any more
_LONGEST_HOST: Final = 253


def cleaned(raw: str, redirectors: Redirectors) -> list[str]:
    """`raw` and the forms of it, and of where it leads to."""
    found: dict[str, None] = {}
    waiting = [raw]
    while waiting and len(found) < _MOST:
        forms = _forms(waiting.pop())
        fresh = [form for form in forms if form not in found]
        found.update(dict.fromkeys(fresh))
        if fresh:
            waiting += _targets(forms[0], redirectors)
    return list(found)


def _forms(raw: str) -> list[str]:
    """Those of one URI, the plainest first."""
    uri = _CONTROLS.sub("", raw.strip())[:_LONGEST]
    forms = [uri]
    for step in _STEPS:
        uri = step(uri)
        forms.append(uri)
    if parts := _PARTS.match(uri):
        forms += _of_parts(parts)
    return [uri, *forms]


def _slashes(uri: str) -> str:
    if uri[:7].lower() == "mailto:":
        return uri
    return _SLASHES.sub(r"\1//", uri.replace("\\", "/"), count=1)


def _schemed(uri: str) -> str:
    """With the scheme that browsers take where there is none; addresses within a document stay."""
    if len(uri) < _SHORTEST or _SCHEME.match(uri) or uri[0] in "#?" or "@" in uri or (uri[0] == "/" and not uri.startswith("//")):
        return uri
    return f"ftp://{uri}" if uri[:4].lower() == "ftp." else f"http://{uri}"


_NO_PATH: Final = re.compile(r"((?:https?|ftp)://[^/?#]+)(?=[?#])", re.IGNORECASE)
_MAIL: Final = re.compile(r"(mailto:[^?]+)\?", re.IGNORECASE)


def _path(uri: str) -> str:
    """With the path that may be left out before a query."""
    if mail := _MAIL.match(uri):
        return mail[1]
    return _NO_PATH.sub(r"\1/", uri, count=1)


def _decoded(uri: str) -> str:
    return _CODE.sub(lambda code: chr(int(code[1], 16)), uri) if "%" in uri else uri


_STEPS: Final = (_slashes, _schemed, _path, _decoded)


def _of_parts(parts: re.Match[str]) -> list[str]:
    """Forms of a URI by its host."""
    scheme, host, port, rest = parts["scheme"], parts["host"], parts["port"], parts["rest"]
    lower = host.lower()
    found = []
    if port and port == _PORTS.get(scheme.lower()):
        found.append(f"{scheme}://{host}{rest}")
    if lower != (bare := lower.rstrip(".")):
        found.append(f"{scheme}://{host[: len(bare)]}{rest}")
    if (number := _number(bare)) is not None and number != bare:
        found.append(f"{scheme}://{number}{rest}")
    elif not bare.isascii():
        if punycode := _punycode(bare):
            found.append(f"{scheme}://{punycode}{rest}")
    elif bare and "." not in bare and not number:
        found.append(f"{scheme}://www.{host}.com{f':{port}' if port else ''}{rest}")
    return found


def _number(host: str) -> str | None:
    """An address written as one number, or four of which some are octal or hexadecimal."""
    numbers = host.split(".")
    if len(numbers) not in (1, 4) or not all(map(_NUMBER.match, numbers)):
        return None
    values = list(map(_value, numbers))
    if len(values) == 1:
        return str(IPv4Address(values[0])) if values[0] < 1 << 32 else None
    return ".".join(map(str, values)) if max(values) < 256 else None


def _value(number: str) -> int:
    if number[1:2] in "xX" and len(number) > 1:
        return int(number, 16)
    return int(number, 8 if number[0] == "0" and not set(number) & {"8", "9"} else 10)


def _punycode(host: str) -> str:
    """A host with characters beyond ASCII, empty where it cannot be one."""
    if len(host) > _LONGEST_HOST:
        return ""
    try:
        return host.encode("utf-8", "surrogateescape").decode("utf-8").encode("idna").decode("ascii")
    except UnicodeError:
        return ""


def _targets(uri: str, redirectors: Redirectors) -> list[str]:
    """Where a URI leads to beyond itself."""
    nested = _NESTED.match(uri)
    return [*([nested[1]] if nested else []), *redirectors.targets(uri)]
