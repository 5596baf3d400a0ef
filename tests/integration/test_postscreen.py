"""The recorded dialogues with postscreen (tests/postscreen/scenes.txt), beside Debian's Postfix and against our own: the same
replies and the same lines in the log."""

import contextlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.postfix import Postfix
from tests.support.certificate import Certificate
from tests.support.free_ports import free_ports
from tests.support.name_server import ZoneServer
from tests.support.postscreen_scenes import COMMON, Player, Scene, clients, postscreen_lines, scenes
from tests.support.running import System, wait_for

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="a resolv.conf of its own needs root")

SCENES = scenes()
NAMES = [scene.name for scene in SCENES]
Outcome = tuple[list[str], list[str]]
"""The steps as they went, and the lines of the log."""


def master_lines(ports: dict[str, int]) -> str:
    """A postscreen line for each scene, and what they need."""
    lines = [
        "smtpd pass - - n - - smtpd",
        "dnsblog unix - - n - 0 dnsblog",
        "tlsproxy unix - - n - 0 tlsproxy\n  -o tlsproxy_tls_security_level=may",
    ]
    for number, scene in enumerate(SCENES):
        options = {"postscreen_cache_map": f"btree:$data_directory/cache{number}", **scene.settings}
        settings = "".join(f"\n  -o {{ {name} = {value} }}" for name, value in options.items())
        lines.append(f"127.0.0.1:{ports[scene.name]} inet n - n - 1 postscreen{settings}")
    return "\n".join(lines) + "\n"


def play_all(ports: dict[str, int], log: Callable[[], str]) -> dict[str, Outcome]:
    """Every scene, some at one time."""

    def play(scene: Scene) -> tuple[str, list[str]]:
        return scene.name, Player(ports[scene.name]).play(scene.steps)

    with ThreadPoolExecutor(10) as pool:
        went = dict(pool.map(play, SCENES))
    with contextlib.suppress(AssertionError):  # the scene that has not ended fails, and says more
        wait_for(lambda: all(ended(scene, log()) for scene in SCENES), "an end of every scene", 5)
    return {scene.name: (went[scene.name], postscreen_lines(log(), *clients(scene))) for scene in SCENES}


def ended(scene: Scene, log: str) -> bool:
    return len(postscreen_lines(log, *clients(scene))) >= len(scene.log)


def zone() -> ZoneServer:
    return ZoneServer("\n".join(record for scene in SCENES for record in scene.zone))


@pytest.fixture(scope="module")
def ours(certificate: Certificate) -> Iterator[dict[str, Outcome]]:
    ports = dict(zip(NAMES, free_ports(len(NAMES)), strict=True))
    dns = zone()
    main = {
        **COMMON,
        "smtpd_tls_chain_files": f"{certificate.key}, {certificate.chain}",
        "worker_processes": "1",
        "postscreen_client_connection_count_limit": "$smtpd_client_connection_count_limit",
    }
    with System(main, "127.0.0.1:{port} inet n - n - - smtpd\n" + master_lines(ports), prefix=dns.prefix) as system:
        yield play_all(ports, system.log)
    dns.close()


@pytest.fixture(scope="module")
def postfixs(certificate: Certificate) -> Iterator[dict[str, Outcome]]:
    ports = dict(zip(NAMES, free_ports(len(NAMES)), strict=True))
    dns = zone()
    main = {**COMMON, "smtpd_tls_chain_files": f"{certificate.key}, {certificate.chain}", "myhostname": "mail.example.test"}
    settings = "".join(f"{name} = {value}\n" for name, value in main.items())
    postfix = Postfix(settings, master_lines(ports), prefix=dns.prefix)
    yield play_all(ports, lambda: postfix.log)
    postfix.clean()
    dns.close()


@pytest.mark.parametrize("scene", SCENES, ids=NAMES)
def test_debians_postscreen_says_what_was_recorded(scene: Scene, postfixs: dict[str, Outcome]) -> None:
    assert postfixs[scene.name] == (list(scene.steps), list(scene.log))


@pytest.mark.parametrize("scene", SCENES, ids=NAMES)
def test_ours_says_the_same(scene: Scene, ours: dict[str, Outcome]) -> None:
    steps, log = ours[scene.name]
    assert steps == list(scene.steps)
    assert log == list(scene.log)
