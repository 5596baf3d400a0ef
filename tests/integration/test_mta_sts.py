"""MTA-STS toward servers (RFC 8461): policies over HTTPS, servers with TLS, and what becomes of mail for each kind of domain."""

import json
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.policy_host import page, policy
from tests.support.running import wait_for
from tests.support.sts_world import TLS, Domain, StsWorld

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="a resolv.conf of its own needs root")

PAGE = Path(__file__).parents[2] / "docs" / "tls-to-others.md"
CLEAR = (b"8BITMIME",)


def _never(connection: socket.socket) -> None:
    time.sleep(30)


ARRIVE = {
    "good": Domain(),
    "wild": Domain(page(policy("enforce", "*.{}")), name="*.{}"),
    "second": Domain(exchangers=("10 mx2.{}", "20 mx.{}")),
    "tested": Domain(page(policy("testing", "mx.{}")), name="other.test"),
    "testedbare": Domain(page(policy("testing", "mx.{}")), keywords=CLEAR),
    "testedhost": Domain(page(policy("testing", "mx9.{}"))),
    "testedgood": Domain(page(policy("testing", "mx.{}"))),
    "untold": Domain(None, name="other.test"),
    "nomode": Domain(page(policy("none")), keywords=CLEAR),
    "missing": Domain(page(b"", "404 Not Found"), keywords=CLEAR),
    "moved": Domain(page(b"", "301 Moved Permanently", more="Location: https://mta-sts.good.test/.well-known/mta-sts.txt\r\n"),
                    keywords=CLEAR),
    "html": Domain(page(policy("enforce", "mx.html.test"), kind="text/html"), keywords=CLEAR),
    "garbage": Domain(page(b"version: STSv1\nmode: enforce\nmx: *\nmax_age: 1\n"), keywords=CLEAR),
    "misnamed": Domain(policy_name="other.test", keywords=CLEAR),
    "slow": Domain(_never, keywords=CLEAR),
    "missingtls": Domain(page(b"", "404 Not Found")),
    "garbagetls": Domain(page(b"<html>")),
    "misnamedtls": Domain(policy_name="other.test"),
}  # fmt: skip
WAIT = {
    "wrongname": (Domain(name="other.test"), "Server certificate not verified"),
    "untrusted": (Domain(trusted=False), "Server certificate not verified"),
    "deepwild": (Domain(name="*.test"), "Server certificate not verified"),
    "bare": (Domain(keywords=CLEAR), "TLS is required, but was not offered"),
    "unlisted": (
        Domain(page(policy("enforce", "mx9.{}"))),
        "host mx.unlisted.test is not one of the MTA-STS policy of unlisted.test",
    ),
}
DOMAINS = {**ARRIVE, **{label: domain for label, (domain, _) in WAIT.items()}}
OBJECTIONS = {
    "tested": "its certificate is for another name",
    "testedbare": "there is no TLS with it",
    "testedhost": "it is none of the policy's",
}
FAILURES = {
    "missing": "status 404",
    "moved": "status 301",
    "html": "the policy is not text/plain",
    "garbage": "line 3 of the policy names no host",
    "misnamed": "certificate",
    "slow": "no answer within 2 seconds",
}


@pytest.fixture(scope="module")
def world() -> Iterator[StsWorld]:
    reports = {
        "smtp_tlsrpt_enable": "yes",
        "tlsrpt_organization_name": "Example",
        "tlsrpt_contact": "postmaster@example.test",
        "tlsrpt_sender": "tls-reports@example.test",
    }
    made = StsWorld(DOMAINS, {"smtp_tls_mta_sts_timeout": "2s", **reports})
    try:
        made.system.start()
        for label in DOMAINS:
            made.send(label)
        yield made
    finally:
        made.close()


@pytest.mark.parametrize("label", ARRIVE)
def test_mail_arrives(world: StsWorld, label: str) -> None:
    world.system.logged(f"to=<b@{label}.test>", "status=sent", seconds=30)
    sink = world.sinks[label]
    assert len(sink.taken) == 1
    assert sink.taken[0].secure is (sink.keywords == TLS)
    relay = "mx.good.test" if label == "good" else f"mx.{label}.test"
    trust = "Verified" if label in ("good", "wild", "second") else "Trusted|Untrusted"
    if sink.keywords == TLS:
        assert re.search(rf"(?:{trust}) TLS connection established to {re.escape(relay)}\[", world.system.log())


@pytest.mark.parametrize("label", WAIT)
def test_mail_waits_and_nothing_of_it_is_said(world: StsWorld, label: str) -> None:
    for _ in range(2):
        world.system.logged(f"to=<b@{label}.test>", "status=deferred", WAIT[label][1], seconds=30)
    assert not world.sinks[label].taken
    assert {line.split(b" ")[0] for line in world.sinks[label].commands} <= {b"EHLO", b"STARTTLS", b"QUIT"}


@pytest.mark.parametrize("label", OBJECTIONS)
def test_what_is_only_tested_is_told(world: StsWorld, label: str) -> None:
    title = f"MTA-STS policy of {label}.test (testing): mail goes to mx.{label}.test[127.0.0.1] all the same, though"
    world.system.logged(f"warning: {title} {OBJECTIONS[label]}")


def test_nothing_is_told_of_a_server_that_is_as_a_tested_policy_has_it(world: StsWorld) -> None:
    world.system.logged("to=<b@testedgood.test>", "status=sent")
    assert "policy of testedgood.test" not in world.system.log()


@pytest.mark.parametrize("label", FAILURES)
def test_why_a_policy_is_not_there_is_told(world: StsWorld, label: str) -> None:
    line = world.system.logged(f"MTA-STS policy of {label}.test cannot be fetched: ", FAILURES[label])
    assert line.endswith("; mail goes as if there were none")


REPORTED = {
    "good": {None},
    "bare": {"starttls-not-supported"},
    "wrongname": {"certificate-host-mismatch"},
    "untrusted": {"certificate-not-trusted"},
    "unlisted": {"validation-failure"},
    "tested": {"certificate-host-mismatch"},
    "testedbare": {"starttls-not-supported"},
    "missingtls": {"sts-policy-fetch-error"},
    "garbagetls": {"sts-policy-invalid"},
    "misnamedtls": {"sts-webpki-invalid"},
}


@pytest.mark.parametrize("label", REPORTED)
def test_reports_have_the_policy_and_what_came_of_it(world: StsWorld, label: str) -> None:
    """RFC 8460 §4.3."""

    def results() -> set[str | None]:
        shown = json.loads(world.system.command("tlsrpt", f"{label}.test").stdout or "[]")
        policies = [one for report in shown for one in report["policies"] if one["policy"]["policy-type"] == "sts"]
        failures = [detail["result-type"] for one in policies for detail in one.get("failure-details", [])]
        return {*failures, *([None] if policies and not failures else [])}

    wait_for(lambda: REPORTED[label] <= results(), lambda: world.system.command("tlsrpt", f"{label}.test").stdout, 30)


def test_each_domain_is_asked_once(world: StsWorld) -> None:
    """By each of two workers at most, while none has an answer; nobody goes where a policy host sends us."""
    for label in DOMAINS:
        status = "deferred" if label in WAIT else "sent"
        world.system.logged(f"to=<b@{label}.test>", f"status={status}", seconds=30)
    asked = world.policies.asked
    assert set(asked) == {f"{label}.test" for label in DOMAINS if label not in ("untold", "misnamed", "misnamedtls")}
    assert max(map(asked.count, asked)) <= 2
    assert not world.policies.strange


def test_the_command(world: StsWorld) -> None:
    command = world.system.command
    assert command("sts", "frobnicate").returncode == 64
    listed = command("sts", "list").stdout
    assert re.search(r"^good\.test +enforce +20\S+ \S+ +mx\.good\.test$", listed, re.M)
    assert re.search(r"^missing\.test +- +- .*status 404$", listed, re.M)
    shown = command("sts", "show", "GOOD.test.")
    assert shown.returncode == 0
    assert re.fullmatch(
        r"good\.test\n    known: id 1, until 20\S+ \S+, mode enforce\n        mx mx\.good\.test\n"
        r"    now: id 1, max_age 604800, mode enforce\n        mx mx\.good\.test\n",
        shown.stdout,
    )
    missing = command("sts", "show", "moved.test")
    assert missing.returncode == 1
    assert "    now: none; https://mta-sts.moved.test: status 301\n" in missing.stdout
    unknown = command("sts", "show", "untold.test")
    assert (unknown.returncode, unknown.stdout.splitlines()[1]) == (1, "    known: nothing")
    assert command("sts", "show", "no domain").returncode == 1
    assert command("sts", "forget", "wild.test").stdout == "wild.test: forgotten\n"
    assert command("sts", "forget", "wild.test").returncode == 1
    assert "\nwild.test" not in command("sts", "list").stdout


def test_a_policy_outlasts_a_restart_and_its_record() -> None:
    world = StsWorld({"good": Domain(), "bare": Domain(keywords=CLEAR)})
    try:
        world.system.start()
        for label in world.domains:
            world.send(label)
        world.system.logged("to=<b@good.test>", "status=sent")
        world.system.logged("to=<b@bare.test>", "status=deferred")
        world.system.stop()
        world.dns.change(world.zone(without=("good", "bare")))
        asked = len(world.policies.asked)
        world.system.start()
        world.send("good")
        wait_for(lambda: len(world.sinks["good"].taken) == 2, lambda: world.system.log()[-4000:], 20)
        assert world.system.log().count("Verified TLS connection established to mx.good.test") == 2
        wait_for(lambda: world.system.log().count("TLS is required, but was not offered") >= 2, "the mail goes on waiting")
        assert not world.sinks["bare"].taken
        assert len(world.policies.asked) == asked
    finally:
        world.close()


def test_a_new_policy_counts_at_once() -> None:
    world = StsWorld({"bare": Domain(keywords=CLEAR)})
    try:
        world.system.start()
        world.send("bare")
        world.system.logged("to=<b@bare.test>", "status=deferred")
        world.policies.answers["bare.test"] = page(policy("none"))
        world.dns.change(world.zone(bare="2"))
        world.system.stop()  # which forgets what the name server has said
        world.system.start()
        wait_for(lambda: world.sinks["bare"].taken, lambda: world.system.log()[-4000:], 20)
    finally:
        world.close()


def test_a_reload_takes_no_policy_from_mail_that_waits_for_it() -> None:
    asked, go_on = threading.Event(), threading.Event()

    def answer(connection: socket.socket) -> None:
        asked.set()
        go_on.wait(10)
        connection.sendall(page(policy("enforce", "mx.good.test")))

    world = StsWorld({"good": Domain(answer)})
    try:
        world.system.start()
        world.send("good")
        assert asked.wait(10)
        before = set(world.system.workers())
        world.system.reload()
        wait_for(lambda: set(world.system.workers()) - before, "workers of the new configuration")
        world.system.logged("reload -- version")
        time.sleep(0.5)  # the old worker has nothing that says that it has handed over
        go_on.set()
        wait_for(lambda: world.sinks["good"].taken, lambda: world.system.log()[-4000:], 20)
        assert world.sinks["good"].taken[0].secure
        assert "Verified TLS connection established to mx.good.test" in world.system.log()
        assert len(world.sinks["good"].taken) == 1
        assert world.policies.asked == ["good.test"]
        assert "panic" not in world.system.log()
        assert world.system.audit().returncode == 0
    finally:
        world.close()


def test_a_service_that_only_tests_sends_mail_everywhere() -> None:
    world = StsWorld({"bare": Domain(keywords=CLEAR), "untrusted": Domain(trusted=False)}, {"smtp_tls_mta_sts": "testing"})
    try:
        world.system.start()
        for label, why in (("bare", "there is no TLS with it"), ("untrusted", "its certificate is not trusted: ")):
            world.send(label)
            world.system.logged(f"to=<b@{label}.test>", "status=sent")
            world.system.logged(f"MTA-STS policy of {label}.test (enforce): mail goes to", f"all the same, though {why}")
    finally:
        world.close()


def test_a_policy_that_is_only_tested_makes_our_own_level_no_other() -> None:
    """`verify` takes a certificate whose wildcard is for two labels, which a policy of MTA-STS that is obeyed does not."""
    world = StsWorld({"wide": Domain(page(policy("testing", "mx.{}")), name="*.test")}, {"smtp_tls_security_level": "verify"})
    try:
        world.system.start()
        world.send("wide")
        world.system.logged("to=<b@wide.test>", "status=sent")
        world.system.logged("MTA-STS policy of wide.test (testing)", "all the same, though its certificate is for another name")
    finally:
        world.close()


def test_what_the_page_says(world: StsWorld) -> None:
    """Its lines of main.cf, its commands in their order, and its words for what the log says."""
    section = PAGE.read_text().partition("\n## MTA-STS\n")[2].partition("\n### By a plug-in\n")[0]
    settings = dict(re.findall(r"(?m)^ {4,}(\w+) = (.*)$", section))
    assert settings == {"smtp_tls_mta_sts": "testing", "smtp_tls_security_level": "may", "smtp_tls_loglevel": "1"}
    assert settings.keys() <= world.system.main.keys()
    for line in re.findall(r"(?m)^    (gatepost .*)$", section):
        words = line.replace("example.com", "good.test").split()
        assert world.system.command(*words[1:]).returncode == 0, line
    assert world.system.command("check").returncode == 0
    for words in re.findall(r"(?m)^\| `([^`]+)`", section):
        if "the one that is known" not in words:  # that is in tests/abuse/test_25_sts.py
            world.system.logged(*(part.strip() for part in words.split("…")))
