"""What a sender says of TLS (RFC 8689): mail with `TLS-Required: no` goes in the clear rather than not at all."""

import os
from collections.abc import Iterator

import pytest

from tests.support.running import wait_for
from tests.support.sts_world import Domain, StsWorld

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="a resolv.conf of its own needs root")

CLEAR = (b"8BITMIME",)
HEADER = "TLS-Required: No\r\nSubject: x\r\n\r\nbody\r\n"
DOMAINS = {
    "good": Domain(),
    "bare": Domain(keywords=CLEAR),
    "untrusted": Domain(trusted=False),
    "gone": Domain(keywords=CLEAR),
    "login": Domain(keywords=(b"8BITMIME", b"AUTH PLAIN")),
}


@pytest.fixture(scope="module")
def world() -> Iterator[StsWorld]:
    made = StsWorld(
        DOMAINS,
        {
            "smtp_sasl_auth_enable": "yes",
            "smtp_sasl_password_maps": "inline:{ mx.login.test=anna:secret }",
            "smtp_sasl_security_options": "noanonymous",
            "smtp_tls_policy_maps": "inline:{ gone.test=encrypt }",
        },
    )
    try:
        made.system.start()
        yield made
    finally:
        made.close()


def send(world: StsWorld, label: str, text: str = HEADER, sender: str = "a@example.com") -> None:
    assert world.system.send(text, sender=sender, to=f"b@{label}.test")


@pytest.mark.parametrize(("label", "secure"), [("bare", False), ("untrusted", True), ("gone", False), ("good", True)])
def test_it_goes_where_no_policy_would_let_it(world: StsWorld, label: str, secure: bool) -> None:
    before = len(world.sinks[label].taken)
    send(world, label)
    wait_for(lambda: len(world.sinks[label].taken) > before, lambda: world.system.log()[-3000:], 20)
    taken = world.sinks[label].taken[-1]
    assert taken.secure is secure
    assert b"\r\nTLS-Required: No\r\n" in taken.content


@pytest.mark.parametrize("header", ["", "TLS-Required: yes\r\n", "TLS-Required: nothing\r\n", "X-TLS-Required: no\r\n"])
def test_other_mail_waits(world: StsWorld, header: str) -> None:
    before = len(world.sinks["bare"].taken)
    assert world.system.send(f"{header}Subject: x\r\n\r\nTLS-Required: no\r\n", to=f"c{len(header)}@bare.test")
    world.system.logged(f"to=<c{len(header)}@bare.test>", "status=deferred", "TLS is required, but was not offered")
    assert len(world.sinks["bare"].taken) == before


def test_a_connection_that_was_not_judged_is_not_used_again_for_mail_that_says_nothing(world: StsWorld) -> None:
    """Connections are kept here."""
    world.system.configure({"smtp_connection_cache_on_demand": "yes", "worker_processes": "1"})
    world.system.stop()
    world.system.start()
    for number in range(3):
        send(world, "untrusted")
        assert world.system.send(to=f"d{number}@untrusted.test")
        world.system.logged(f"to=<d{number}@untrusted.test>", "status=deferred", "Server certificate not verified")


def test_no_password_is_said_for_it_in_the_clear(world: StsWorld) -> None:
    send(world, "login")
    world.system.logged("to=<b@login.test>", "status=deferred", "TLS is required, but was not offered")
    assert not [line for line in world.sinks["login"].commands if line.startswith(b"AUTH")]


def test_a_notice_about_it_says_the_same(world: StsWorld) -> None:
    world.sinks["good"].answers = {"RCPT": b"550 5.1.1 unknown\r\n"}
    before = len(world.sinks["bare"].taken)
    send(world, "good", sender="a@bare.test")
    wait_for(lambda: len(world.sinks["bare"].taken) > before, lambda: world.system.log()[-3000:], 20)
    notice = world.sinks["bare"].taken[-1]
    assert notice.sender.startswith(b"<>")
    assert b"\r\nTLS-Required: no\r\n" in notice.content.partition(b"\r\n\r\n")[0]


def test_who_does_not_want_that_switches_it_off() -> None:
    world = StsWorld({"bare": Domain(keywords=CLEAR)}, {"tls_required_enable": "no"})
    try:
        world.system.start()
        send(world, "bare")
        world.system.logged("to=<b@bare.test>", "status=deferred", "TLS is required, but was not offered")
    finally:
        world.close()
