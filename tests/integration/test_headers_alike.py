"""What becomes of addresses in headers, beside Postfix: the values of headers_alike.txt under each way of rewriting them."""

import re
import smtplib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.integration.milters_beside import Place, gatepost_with, postfix_with
from tests.support.free_ports import free_ports
from tests.support.running import wait_for

_VALUES = [
    line.encode("ascii", "backslashreplace").decode("unicode_escape")
    for line in Path(__file__).with_name("headers_alike.txt").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
]
_NAMES = ("To", "Reply-To", "Resent-From")
_MAIN = "smtpd_relay_restrictions = permit_mynetworks reject\nsmtpd_peername_lookup = no\n"
_SETTINGS: dict[str, dict[str, str]] = {
    "plain": {},
    "masquerade": {"masquerade_domains": "example.net", "masquerade_exceptions": "root"},
    "masquerade-all": {
        "masquerade_domains": "!sub.example.net example.net b.test",
        "masquerade_classes": "envelope_sender envelope_recipient header_sender header_recipient",
    },
    "canonical": {
        "canonical_maps": "inline:{{ {a@b.test=new@c.test}, {x@example.net=Y.Z@d.test}, {@sub.example.net=@e.test}, {user=U}, "
        '{root="r t"@f.test} }}'
    },
    "sides": {
        "sender_canonical_maps": "inline:{{ {a@b.test=new@c.test}, {x@next.example.net=Y.Z@d.test} }}",
        "recipient_canonical_maps": "inline:{{ {x@next.example.net=z}, {a@b.test=q@r.test} }}",
    },
    "remote": {"local_header_rewrite_clients": "", "remote_header_rewrite_domain": "domain.invalid"},
    "nobody": {"local_header_rewrite_clients": ""},
    "domain": {"append_dot_mydomain": "yes"},
    "no-origin": {"append_at_myorigin": "no"},
    "no-percent": {"allow_percent_hack": "no", "swap_bangpath": "no"},
}


def _lines(ports: Mapping[str, int]) -> str:
    """A line of smtpd, cleanup and trivial-rewrite for each of the settings."""
    lines = ""
    for name, settings in _SETTINGS.items():
        options = "".join(f"  -o {{ {parameter} = {value} }}\n" for parameter, value in settings.items())
        options = options.replace("{{", "{").replace("}}", "}") + f"  -o rewrite_service_name=rewrite-{name}\n"
        lines += f"127.0.0.1:{ports[name]} inet n - n - - smtpd\n{options}  -o cleanup_service_name=cleanup-{name}\n"
        lines += f"cleanup-{name} unix n - n - 0 cleanup\n{options}rewrite-{name} unix - - n - - trivial-rewrite\n{options}"
    return lines


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[Place, Place]]:
    ports = dict(zip(_SETTINGS, free_ports(len(_SETTINGS)), strict=True))
    with postfix_with(_MAIN, _lines(ports), ports) as postfix:
        ports = dict(zip(_SETTINGS, free_ports(len(_SETTINGS)), strict=True))
        with gatepost_with(_MAIN, _lines(ports), ports) as gatepost:
            yield postfix, gatepost


def _headers(place: Place, setting: str, name: str) -> list[str]:
    """The headers of that name in the message that is delivered."""
    mark = f"{setting} {name}"
    text = f"X-Case: {mark}\n" + "".join(f"{name}: {value}\n" for value in _VALUES) + "\nbody\n"
    with smtplib.SMTP("127.0.0.1", place.ports[setting], local_hostname="client.example.com") as session:
        session.sendmail("s@b.test", ["box@example.net"], text.encode())
    found = lambda: [one for one in place.mail.glob("new/*") if f"X-Case: {mark}\n".encode() in one.read_bytes()]  # noqa: E731
    delivered = wait_for(found, f"a message of {mark}")[0].read_text("utf-8", "surrogateescape")
    return re.findall(rf"^{name}:(?:.*\n(?:[ \t].*\n)*)", delivered, re.MULTILINE)


@pytest.mark.parametrize("name", _NAMES)
@pytest.mark.parametrize("setting", _SETTINGS)
def test_as_postfix(both: tuple[Place, Place], setting: str, name: str) -> None:
    theirs, ours = (_headers(place, setting, name) for place in both)
    assert len(theirs) == len(_VALUES)
    for value, their, our in zip(_VALUES, theirs, ours, strict=True):
        assert our == their, value
