"""check_policy_service beside Postfix: servers that misbehave, the same replies and the same warnings."""

import re
import shutil
import smtplib
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.policy_server import BEHAVIOUR, PolicyServer
from tests.integration.ports import listens
from tests.integration.postfix import Postfix
from tests.support.free_ports import free_port
from tests.support.running import System, wait_for

_MAIN = """\
smtpd_recipient_restrictions = check_policy_service inet:127.0.0.1:{policy}
smtpd_relay_restrictions = reject_unauth_destination
smtpd_policy_service_timeout = 2s
smtpd_policy_service_retry_delay = 1s
smtpd_peername_lookup = no
"""


@pytest.fixture(scope="module")
def server() -> Iterator[PolicyServer]:
    one = PolicyServer()
    yield one
    one.stop()


@pytest.fixture(scope="module")
def postfix(server: PolicyServer) -> Iterator[Postfix]:
    one = Postfix(_MAIN.format(policy=server.port))
    yield one
    one.clean()


def ours(port: int) -> dict[str, str]:
    """The same main.cf for Gatepost, which serves example.net, too."""
    main = dict(line.split(" = ", 1) for line in _MAIN.format(policy=port).splitlines())
    domains = {"virtual_mailbox_domains": "example.net", "virtual_mailbox_base": "{dir}", "virtual_mailbox_maps": "static:box/"}
    owners = {"virtual_uid_maps": "static:65534", "virtual_gid_maps": "static:65534"}
    return {**main, **domains, **owners, "mydestination": ""}


@pytest.fixture(scope="module")
def gatepost(server: PolicyServer) -> Iterator[System]:
    with System({**ours(server.port), "helper_failure_limit": "0"}) as one:
        yield one


def said(port: int, word: str) -> tuple[int, str]:
    with smtplib.SMTP("127.0.0.1", port, timeout=60) as client:
        client.ehlo("client.example.com")
        client.mail(f"{word}@example.com")
        code, text = client.rcpt("b@example.net")
    return code, text.decode()


def warnings(log: Callable[[], str], before: int) -> list[str]:
    """Each kind once: a Postfix whose last request failed tries the next but once. It also says in which part of an answer the time
    was over."""
    found = re.findall(r"smtpd\[\d+\]: (warning: .*)", log()[before:])
    return [line for line in dict.fromkeys(found) if not line.startswith("warning: timeout on ")]


@pytest.mark.parametrize("word", [word for word in BEHAVIOUR if word not in ("drips", "endless")])
def test_as_postfix(server: PolicyServer, postfix: Postfix, gatepost: System, word: str) -> None:
    heard = []
    for port, log in ((postfix.port, lambda: postfix.log), (gatepost.port, gatepost.log)):
        before, asked = len(log()), len(server.asked)
        reply = said(port, word)
        wait_for(lambda: "disconnect" in log()[before:], "the end of the session")
        assert set(server.asked[asked:]) == {word}
        heard.append((reply, warnings(log, before)))
    theirs, here = heard
    assert here == theirs


def test_a_server_that_is_away_and_comes_back(server: PolicyServer) -> None:
    """Its failure action at once, a line on the way down and one up; no restart."""
    breaker = {"helper_failure_limit": "2", "helper_probe_interval": "1s", "worker_processes": "1"}
    server.stop()
    with System({**ours(server.port), **breaker}) as gatepost:
        try:
            for _ in range(4):
                assert said(gatepost.port, "well")[0] == 451
            line = gatepost.logged("counts as away after 2 failures")
            assert f"smtpd_recipient_restrictions check_policy_service: server 127.0.0.1:{server.port}" in line
        finally:
            server.start()
        wait_for(lambda: said(gatepost.port, "well")[0] == 250, "the policy server's own answer")
        gatepost.logged(f"server 127.0.0.1:{server.port} answers again after")
        assert gatepost.log().count("counts as away") == gatepost.log().count("answers again") == 1


def test_real_postgrey(tmp_path: Path) -> None:
    """It delays an unknown client, lets it pass later, and is asked over one connection; it may be restarted in between."""
    port = free_port()
    folder = tmp_path / "db"
    folder.mkdir()
    shutil.chown(folder, "postgrey")
    for parent in folder.parents[:3]:
        parent.chmod(parent.stat().st_mode | 0o011)
    command = ["postgrey", f"--inet=127.0.0.1:{port}", f"--dbdir={folder}", "--delay=1", "--greylist-text=come back"]

    def begun() -> "subprocess.Popen[bytes]":
        one = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda: listens(port), "a listening postgrey")
        return one

    postgrey = begun()
    try:
        with System(ours(port)) as gatepost:
            assert said(gatepost.port, "a") == (450, "4.2.0 <b@example.net>: Recipient address rejected: come back")
            wait_for(lambda: said(gatepost.port, "a")[0] == 250, "postgrey's consent")
            postgrey.terminate()
            postgrey.wait(10)
            postgrey = begun()
            assert said(gatepost.port, "a")[0] == 250
            assert "problem talking" not in gatepost.log()
    finally:
        postgrey.terminate()
        postgrey.wait(10)
