"""The dialogues of tests/clients/ beside Postfix, with Cyrus' sasldb behind both: the same replies, but for those that are other
ones on purpose."""

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.integration.milters_beside import Place, gatepost_with, postfix_with
from tests.support import certificate as certificates
from tests.support.client_dialogues import Client, Dialogue, dialogues
from tests.support.free_ports import free_ports

DIALOGUES = dialogues()
_SERVICES: Mapping[str, dict[str, str]] = {
    "smtp": {},
    "submission": {"smtpd_tls_security_level": "encrypt", "smtpd_tls_auth_only": "yes"},
    "smtps": {"smtpd_tls_wrappermode": "yes"},
}
_MAIN = """\
broken_sasl_auth_clients = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_path = smtpd
smtpd_sender_login_maps = inline:{ anna@example.net=anna@example.net, berta@example.net=berta@example.net }
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
smtpd_peername_lookup = no
smtpd_error_sleep_time = 0
smtpd_soft_error_limit = 100
smtpd_hard_error_limit = 100
smtpd_tls_security_level = may
"""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A certificate, users in a sasldb, and Cyrus SASL's file that names it; both can read all of it."""
    with tempfile.TemporaryDirectory(prefix="clients-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        certificates.make(folder / "tls", "mail.example.net")
        user = ["saslpasswd2", "-p", "-c", "-f", str(folder / "sasldb2"), "-u", "example.net", "anna"]
        subprocess.run(user, input="right one", text=True, check=True)
        (folder / "smtpd.conf").write_text(
            f"pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: {folder}/sasldb2\nmech_list: plain login cram-md5\n"
        )
        for file in ("sasldb2", "smtpd.conf"):
            (folder / file).chmod(0o644)
        yield folder


def _main(folder: Path) -> str:
    return f"{_MAIN}smtpd_tls_cert_file = {folder}/tls/chain.pem\nsmtpd_tls_key_file = {folder}/tls/key.pem\n"


def _master(ports: Mapping[str, int]) -> str:
    """A line for each dialogue."""
    lines = ""
    for name, one in DIALOGUES.items():
        lines += f"127.0.0.1:{ports[name]} inet n - n - - smtpd\n"
        lines += "".join(f"  -o {{ {key}={value} }}\n" for key, value in {**_SERVICES[one.service], **one.settings}.items())
    return lines


def _ports() -> dict[str, int]:
    return dict(zip(DIALOGUES, free_ports(len(DIALOGUES)), strict=True))


@pytest.fixture(scope="module")
def ours(folder: Path) -> Iterator[Place]:
    ports = _ports()
    own = f"cyrus_sasl_config_path = {folder}\nsmtpd_auth_refusal_delay = 0\n"
    with gatepost_with(_main(folder) + own, _master(ports), ports) as place:
        yield place


@pytest.fixture(scope="module")
def theirs(folder: Path) -> Iterator[Place]:
    """Debian's looks for Cyrus' file beside main.cf only."""
    ports = _ports()
    with postfix_with(_main(folder), _master(ports), ports) as place:
        shutil.copytree(folder, place.mail.parents[1] / "conf" / "sasl")
        yield place


def _said(place: Place, dialogue: Dialogue) -> list[str]:
    with contextlib.closing(Client(place.ports[dialogue.name])) as client:
        return [reply for replies in client.play(dialogue) for reply in replies]


@pytest.mark.parametrize("name", DIALOGUES)
def test_as_it_is_written(ours: Place, name: str) -> None:
    assert _said(ours, DIALOGUES[name]) == DIALOGUES[name].expected(of_ours=True)


@pytest.mark.parametrize("name", DIALOGUES)
def test_as_postfix_has_it(theirs: Place, name: str) -> None:
    assert _said(theirs, DIALOGUES[name]) == DIALOGUES[name].expected(of_ours=False)
