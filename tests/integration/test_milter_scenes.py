"""The dialogues of tests/milters/ beside Postfix: the same filters, and the same replies, log lines, messages and packets."""

import contextlib
import difflib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.integration.milters_beside import Place, delivered, gatepost_with, logged, plain, postfix_with
from tests.support.certificate import Certificate, make
from tests.support.free_ports import free_ports
from tests.support.milter_scenes import Client, Scene, filter_of, heard, offered, scenes
from tests.support.milters import ScriptedFilter

SCENES = scenes()

Filters = Mapping[str, list[ScriptedFilter]]

LOG, MAIL, REPLIES = ("log",), ("mail",), ("replies", "filter 1", "log", "mail")
OTHERWISE: dict[str, tuple[tuple[str, ...], str]] = {
    "answers: a reply with a code only": (REPLIES, "550 "),
    "answers: a reply with another class in its status": (REPLIES, "451 4.7.1"),
    "answers: a reply of 354": (REPLIES, "451 4.7.1"),
    "answers: a reply that ends in CRLF": (REPLIES, "550 5.7.1 no"),
    "clients: a proxy tells both names": (("filter 1",), "{client_resolve}\\x00FORGED"),
    "edits: all recipients removed": (REPLIES, "250 2.0.0 Ok"),
    "edits: a recipient by other letters, removed": (MAIL, "c@example.net"),
    "edits: a recipient with parameters that are none": (LOG, "milter FILTER"),
    "edits: a sender with parameters that are none": (LOG, "milter FILTER"),
    "edits: edits between pieces of a body": (REPLIES, "one\ntwo"),
    "edits: the first refuses a recipient": (("filter 2",), "R{rcpt_addr}\\x00rejected"),
    "edits: the first discards": (("filter 2",), "E "),
    "settings: a filter of version 1": (LOG, ""),
    "settings: an action of its own: quarantine": (LOG, "milter-hold: RCPT"),
    "settings: default action: quarantine at the connection": (LOG, "milter-hold: MAIL"),
    "settings: default action: shutdown": (REPLIES, "421 4.7.0 Server closing connection"),
    "settings: nobody there: shutdown": (REPLIES, "421 next.example.net"),
    "settings: macros of each step": (("filter 1",), "E{mail_addr}"),
    "tls: all macros of TLS at each step": (("filter 1",), "Ei\\x00QID\\x00{tls_version}"),
    "tls: a filter that refuses HELO refuses STARTTLS": (LOG, "milter-reject: STARTTLS"),
}
"""Scenes in which we do not do as Postfix does (docs/differences.md): the parts that are not compared, and what one of ours has."""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make(tmp_path_factory.mktemp("tls"), "client.example.com")


def _main(certificate: Certificate) -> str:
    tls = f"smtpd_tls_cert_file = {certificate.chain}\nsmtpd_tls_key_file = {certificate.key}\n"
    tls += f"smtpd_tls_CAfile = {certificate.authority}\nsmtpd_tls_eecdh_grade = auto\n"
    return f"smtpd_relay_restrictions = reject_unauth_destination\nsmtpd_peername_lookup = no\nsmtpd_error_sleep_time = 0\n{tls}"


def _line(scene: Scene, filters: list[ScriptedFilter], port: int) -> str:
    """The smtpd line of a scene, and a cleanup service with the same settings, which those of Postfix have to know, too."""
    cleanup = scene.name.replace(" ", "-").replace(":", "").replace(",", "")
    settings = {"smtpd_milters": ", ".join(f"%{at}" for at in range(1, len(filters) + 1)), **scene.settings}
    options = ""
    for name, value in settings.items():
        for at, one in enumerate(filters, 1):
            value = value.replace(f"%{at}", one.name)
        options += f"  -o {{ {name}={value} }}\n"
    smtpd = f"127.0.0.1:{port} inet n - n - - smtpd\n{options}  -o {{ cleanup_service_name={cleanup} }}\n"
    return f"{smtpd}{cleanup} unix n - n - 0 cleanup\n{options}"


def _lines(filters: Filters) -> tuple[dict[str, int], str]:
    ports = dict(zip(SCENES, free_ports(len(SCENES)), strict=True))
    return ports, "".join(_line(scene, filters[name], ports[name]) for name, scene in SCENES.items())


def _filters(folder: Path) -> dict[str, list[ScriptedFilter]]:
    folder.mkdir()
    folder.chmod(0o755)
    return {
        name: [filter_of(script, folder, f"socket-{number}-{at}") for at, script in enumerate(scene.filters)]
        for number, (name, scene) in enumerate(SCENES.items())
    }


@pytest.fixture(scope="module")
def short_folder() -> Iterator[Path]:
    """Paths of sockets are short."""
    with tempfile.TemporaryDirectory(prefix="milters-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="module")
def both(certificate: Certificate, short_folder: Path) -> Iterator[tuple[tuple[Place, Filters], tuple[Place, Filters]]]:
    theirs, ours = (_filters(short_folder / name) for name in ("theirs", "ours"))
    main = _main(certificate)
    with contextlib.ExitStack() as stack:
        ports, master = _lines(theirs)
        postfix = stack.enter_context(postfix_with(main, master, ports))
        ports, master = _lines(ours)  # now, as a port that is free before so many connections may not be behind them
        gatepost = stack.enter_context(gatepost_with(main, master, ports))
        yield (postfix, theirs), (gatepost, ours)
    for one in (*theirs.values(), *ours.values()):
        for each in one:
            each.stop()


def _seen(place: Place, filters: list[ScriptedFilter], scene: Scene, certificate: Certificate) -> dict[str, list[str]]:
    """All that a scene does to one of the two."""
    before = len(place.log())
    port = place.ports[scene.name]
    client = Client(port, certificate)
    client.play(scene)
    log = place.settled(before, client.said, client.sessions)
    packets = {
        f"filter {at}": [*offered(one), *(f"{letter} {plain(told)!r}" for letter, told in heard(one, port))]
        for at, one in enumerate(filters, 1)
    }
    said = [plain(one) for one in client.said]
    return {"replies": said, **packets, "mail": delivered(place, scene.name), "log": logged(log)}


@pytest.mark.parametrize("name", SCENES)
def test_as_postfix(both: tuple[tuple[Place, Filters], tuple[Place, Filters]], certificate: Certificate, name: str) -> None:
    scene = SCENES[name]
    theirs, ours = (_seen(place, filters[name], scene, certificate) for place, filters in both)
    apart, has = OTHERWISE.get(name, ((), ""))
    assert not apart or any(has in "\n".join(ours[part]) for part in apart)
    for part in theirs.keys() - apart:
        here, there = ("\n".join(one[part]).splitlines() for one in (ours, theirs))
        assert here == there, f"{part}\n" + "\n".join(difflib.unified_diff(there, here, "Postfix", "Gatepost", n=1, lineterm=""))
