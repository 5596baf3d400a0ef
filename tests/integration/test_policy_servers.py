"""check_policy_service beside Postfix: servers that misbehave, the same replies and the same warnings."""

import re
import smtplib
from collections.abc import Callable, Iterator

import pytest

from tests.integration.policy_server import BEHAVIOUR, PolicyServer
from tests.integration.postfix import Postfix
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


@pytest.fixture(scope="module")
def gatepost(server: PolicyServer) -> Iterator[System]:
    main = dict(line.split(" = ", 1) for line in _MAIN.format(policy=server.port).splitlines())
    domains = {"virtual_mailbox_domains": "example.net", "virtual_mailbox_base": "{dir}", "virtual_mailbox_maps": "static:box/",
               "virtual_uid_maps": "static:65534", "virtual_gid_maps": "static:65534"}  # fmt: skip
    with System({**main, **domains, "mydestination": "", "helper_failure_limit": "0"}) as one:
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
    theirs, ours = heard
    assert ours == theirs
