"""REQUIRETLS (RFC 8689; Postfix 3.11): taken over TLS alone, kept in the queue, and passed on to servers that show who they are and
offer it; or returned."""

import os
import re
import smtplib
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.certificate import Certificate, issue
from tests.support.running import wait_for
from tests.support.sts_world import TLS, Domain, StsWorld

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="a resolv.conf of its own needs root")

PAGE = Path(__file__).parents[2] / "docs" / "tls-to-others.md"
CLEAR = (b"8BITMIME",)
OFFERED = (b"8BITMIME", b"REQUIRETLS")
DOMAINS = {
    "good": Domain(),
    "old": Domain(),
    "nopolicy": Domain(None),
    "bare": Domain(None, keywords=(b"8BITMIME", b"REQUIRETLS")),
    "broken": Domain(trusted=False),
    "lax": Domain(None),
    "laxbare": Domain(None, keywords=CLEAR),
    "inside": Domain(None, keywords=CLEAR),
    "insidetls": Domain(None),
    "second": Domain(exchangers=("10 mx2.{}", "20 mx.{}")),
    "sender": Domain(None, keywords=CLEAR),
}


@pytest.fixture(scope="module")
def world(certificate: Certificate) -> Iterator[StsWorld]:
    rules = (
        "inline:{ lax.test=opportunistic+starttls, laxbare.test=opportunistic+starttls, inside.test=opportunistic, "
        "insidetls.test=opportunistic } enforce"
    )
    made = StsWorld(
        DOMAINS,
        {
            "requiretls_enable": "yes",
            "smtp_requiretls_policy": rules,
            "smtpd_tls_security_level": "may",
            "smtpd_tls_chain_files": f"{certificate.key}, {certificate.chain}",
        },
    )
    for label, sink in made.sinks.items():
        sink.keywords_over_tls = (b"8BITMIME",) if label == "old" else OFFERED
    try:
        made.system.start()
        yield made
    finally:
        made.close()


def session(world: StsWorld, *, secure: bool = True) -> smtplib.SMTP:
    client = smtplib.SMTP("127.0.0.1", world.system.port, timeout=20)
    client.ehlo()
    if secure:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        client.starttls(context=context)
        client.ehlo()
    return client


def send(world: StsWorld, label: str, text: str = "Subject: x\r\n\r\nbody\r\n", to: str = "b") -> None:
    with session(world) as client:
        client.sendmail("a@sender.test", [f"{to}@{label}.test"], text, ["REQUIRETLS"])


def test_it_is_offered_over_tls_alone(world: StsWorld) -> None:
    with session(world, secure=False) as client:
        assert not client.has_extn("requiretls")
        assert client.mail("a@sender.test", ["REQUIRETLS"])[0] == 555
    with session(world) as client:
        assert client.has_extn("requiretls")
        assert client.mail("a@sender.test", ["REQUIRETLS=yes"])[0] == 555
        assert client.mail("a@sender.test", ["requiretls", "SIZE=100"])[0] == 250


@pytest.mark.parametrize("label", ["good", "second", "lax", "insidetls"])
def test_it_is_passed_on(world: StsWorld, label: str) -> None:
    before = len(world.sinks[label].taken)
    send(world, label)
    wait_for(lambda: len(world.sinks[label].taken) > before, lambda: world.system.log()[-3000:], 20)
    taken = world.sinks[label].taken[-1]
    assert taken.secure
    assert taken.sender.endswith(b" REQUIRETLS")
    assert b"\r\nRequire-TLS-ESMTP: yes\r\n" in taken.content


def test_a_server_inside_may_lack_it(world: StsWorld) -> None:
    send(world, "inside")
    wait_for(lambda: world.sinks["inside"].taken, lambda: world.system.log()[-3000:], 20)
    assert b"REQUIRETLS" not in world.sinks["inside"].taken[-1].sender


@pytest.mark.parametrize(
    ("label", "why"),
    [
        ("old", "dsn=5.7.30, status=bounced (REQUIRETLS was asked for, but was not offered by host mx.old.test"),
        ("nopolicy", "dsn=5.7.10, status=bounced (REQUIRETLS was asked for, but nothing says which certificate host"),
        ("bare", "dsn=5.7.10, status=bounced (REQUIRETLS was asked for, but TLS was not offered by host mx.bare.test"),
        ("laxbare", "dsn=5.7.10, status=bounced (REQUIRETLS was asked for, but TLS was not offered by host mx.laxbare.test"),
        ("broken", "dsn=4.7.5, status=deferred (Server certificate not verified"),
    ],
)
def test_it_goes_nowhere_else(world: StsWorld, label: str, why: str) -> None:
    if label == "bare":
        world.sinks[label].keywords = OFFERED  # in the clear, where it means nothing
    send(world, label)
    world.system.logged(f"to=<b@{label}.test>", why, seconds=30)
    assert not world.sinks[label].taken
    assert not [line for line in world.sinks[label].commands if line.startswith(b"MAIL")]


def test_a_notice_has_no_body_and_needs_no_tls(world: StsWorld) -> None:
    send(world, "old", "Subject: secret\r\n\r\nthe secret body\r\n", to="notice")
    wait_for(lambda: world.sinks["sender"].count(b"notice@old.test"), lambda: world.system.log()[-3000:], 20)
    notice = next(taken for taken in world.sinks["sender"].taken if b"notice@old.test" in taken.content)
    assert not notice.secure
    assert b"Status: 5.7.30" in notice.content
    assert b"Subject: secret" in notice.content
    assert b"the secret body" not in notice.content


def test_requiretls_counts_before_the_header_that_says_the_contrary(world: StsWorld) -> None:
    send(world, "nopolicy", "TLS-Required: no\r\nSubject: x\r\n\r\nbody\r\n", to="both")
    world.system.logged("to=<both@nopolicy.test>", "dsn=5.7.10", "status=bounced")


def test_it_outlasts_a_restart(world: StsWorld, tmp_path: Path) -> None:
    send(world, "broken", to="queued")
    world.system.logged("to=<queued@broken.test>", "status=deferred")
    world.system.stop()
    mended = issue(tmp_path, "mx.broken.test", world.authority.parent)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(mended.chain, mended.key)
    world.sinks["broken"].tls = context
    world.system.start()
    wait_for(lambda: world.sinks["broken"].taken, lambda: world.system.log()[-3000:], 20)
    assert all(taken.sender.endswith(b" REQUIRETLS") for taken in world.sinks["broken"].taken)


def test_the_header_keeps_it_through_a_content_filter(world: StsWorld) -> None:
    """As the filter hands the message back: in the clear, without REQUIRETLS."""
    text = "Require-TLS-ESMTP: yes\r\nSubject: x\r\n\r\nbody\r\n"
    assert world.system.send(text, sender="a@sender.test", to="filtered@old.test")
    world.system.logged("to=<filtered@old.test>", "dsn=5.7.30", "status=bounced")


def test_other_mail_is_not_touched(world: StsWorld) -> None:
    assert world.system.send(sender="a@sender.test", to="other@nopolicy.test")
    wait_for(lambda: world.sinks["nopolicy"].taken, lambda: world.system.log()[-3000:], 20)
    taken = world.sinks["nopolicy"].taken[-1]
    assert b"REQUIRETLS" not in taken.sender
    assert b"Require-TLS" not in taken.content


def test_notices_may_keep_all_and_go_as_the_mail_did(certificate: Certificate) -> None:
    world = StsWorld(
        {"old": Domain(), "sender": Domain()},
        {
            "requiretls_enable": "yes",
            "requiretls_redact_dsn": "no",
            "smtp_requiretls_policy": "enforce",
            "smtpd_tls_security_level": "may",
            "smtpd_tls_chain_files": f"{certificate.key}, {certificate.chain}",
        },
    )
    try:
        world.sinks["sender"].keywords_over_tls = OFFERED
        world.system.start()
        send(world, "old", "Subject: secret\r\n\r\nthe secret body\r\n")
        wait_for(lambda: world.sinks["sender"].taken, lambda: world.system.log()[-3000:], 20)
        notice = world.sinks["sender"].taken[0]
        assert notice.secure
        assert notice.sender.endswith(b"REQUIRETLS")
        assert b"the secret body" in notice.content
    finally:
        world.close()


def test_it_is_off_until_it_is_switched_on(certificate: Certificate) -> None:
    settings = {"smtpd_tls_security_level": "may", "smtpd_tls_chain_files": f"{certificate.key}, {certificate.chain}"}
    world = StsWorld({"good": Domain(keywords=TLS)}, settings)
    try:
        world.system.start()
        with session(world) as client:
            assert not client.has_extn("requiretls")
            assert client.mail("a@sender.test", ["REQUIRETLS"])[0] == 555
    finally:
        world.close()


def test_what_the_page_says(certificate: Certificate) -> None:
    """Its lines of main.cf."""
    section = PAGE.read_text().partition("\n## What a sender says of TLS\n")[2]
    settings = dict(re.findall(r"(?m)^ {4,}(\w+) = (.*)$", section))
    assert list(settings) == ["requiretls_enable", "smtp_requiretls_policy"]
    settings["smtp_requiretls_policy"] = settings["smtp_requiretls_policy"].replace("example.com", "nopolicy.test")
    tls = {"smtpd_tls_security_level": "may", "smtpd_tls_chain_files": f"{certificate.key}, {certificate.chain}"}
    world = StsWorld({"nopolicy": Domain(None), "old": Domain(None), "sender": Domain(None)}, {**settings, **tls})
    try:
        world.system.start()
        for label, outcome in (("old", "status=sent"), ("nopolicy", "dsn=5.7.10")):
            send(world, label)
            world.system.logged(f"to=<b@{label}.test>", outcome)
        assert "requiretls" not in world.system.command("check").stderr
    finally:
        world.close()
