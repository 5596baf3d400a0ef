"""What the client tells of TLS for reports (RFC 8460), of servers in memory."""

from typing import Any

import pytest
from tests.support.settings import default
from tests.support.smtp_servers import CLOSE, Net, Rules, Server, names, request, run, unchanged

from gatepost.deliver.reported_policy import of_attributes, of_records
from gatepost.deliver.smtp import SmtpAgent
from gatepost.deliver.smtp_settings import SmtpSettings
from gatepost.lookup.registry import Tables
from gatepost.net.port import TLSA
from gatepost.tlsrpt.outcome import NO_POLICY, REPORT, PolicyType, ReportedPolicy, ResultType, TlsOutcome

BARE: Rules = {"EHLO": "250 mx.test"}
REFUSING: Rules = {"EHLO": "250-mx\r\n250 STARTTLS", "STARTTLS": "454 4.7.0 no"}
STS = (
    "policy_type=sts policy_domain=d.test mx_host_pattern=*.d.test"
    " { policy_string = version: STSv1 } { policy_string = mode: enforce }"
)
STS_POLICY = ReportedPolicy(PolicyType.STS, "d.test", ("version: STSv1", "mode: enforce"), ("*.d.test",))


def observed(rules: Rules, policies: str = "", envelope: dict[str, Any] | None = None, **settings: Any) -> list[TlsOutcome]:
    """What is told of one delivery."""
    told: list[TlsOutcome] = []

    async def scene() -> None:
        agent = SmtpAgent(
            default(SmtpSettings, myhostname="me.test", inet_protocols="ipv4", smtp_quit_timeout=0.05, **settings),
            names(), Net(mx=[Server(rules)]), unchanged(), clock=lambda: 1000.0, shuffle=lambda hosts: None,
            emit=lambda event: None, observe=told.append, tls_policies=Tables(print).maps(policies, "smtp_tls_policy_maps"),
        )  # fmt: skip
        await agent.deliver(request("[mx]:2526", ("x@y.test",), **(envelope or {})))
        await agent.close()

    run(scene)
    return told


@pytest.mark.parametrize("level", ["may", "encrypt"])
def test_a_server_without_starttls(level: str) -> None:
    assert observed(BARE, smtp_tls_security_level=level) == [
        TlsOutcome("mx", NO_POLICY, "mx", "mx", ResultType.STARTTLS_NOT_SUPPORTED)
    ]


def test_a_server_that_refuses_starttls() -> None:
    (told,) = observed(REFUSING, smtp_tls_security_level="may")
    assert (told.result, told.reason) == (ResultType.STARTTLS_NOT_SUPPORTED, "454 4.7.0 no")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(CLOSE, "lost connection after STARTTLS"), ("220 go\r\n250 injected", "data in the clear before TLS")],
)
def test_what_somebody_in_between_may_do(answer: str, reason: str) -> None:
    (told,) = observed(REFUSING | {"STARTTLS": answer}, smtp_tls_security_level="may")
    assert (told.result, told.reason) == (ResultType.VALIDATION_FAILURE, reason)


def test_nobody_is_told_where_no_tls_is_wanted() -> None:
    assert observed(BARE) == observed(BARE, smtp_tls_security_level="none") == []


@pytest.mark.parametrize("policies", ["", f"inline:{{{{[mx]:2526 = secure {STS}}}}}"])
def test_nobody_is_told_of_the_delivery_of_a_report(policies: str) -> None:
    """Nor of a policy that forbids it."""
    settings: dict[str, Any] = {"smtp_tls_security_level": "may", "policies": policies}
    assert observed(BARE, **settings)
    assert observed(BARE, envelope={"attributes": ((REPORT, "yes"),)}, **settings) == []


def test_a_host_that_the_policy_does_not_name() -> None:
    (told,) = observed(BARE, policies=f"inline:{{{{[mx]:2526 = secure {STS}}}}}")
    assert (told.policy, told.result) == (STS_POLICY, ResultType.VALIDATION_FAILURE)


def test_a_policy_of_a_plug_in() -> None:
    assert of_attributes({"match": "a.test"}) == of_attributes({"policy_type": "no-policy-found"}) == NO_POLICY
    failed = of_attributes({"policy_type": "sts", "policy_domain": "a.test", "policy_failure": "sts-webpki-invalid"})
    assert failed == ReportedPolicy(PolicyType.STS, "a.test", failure=ResultType.STS_WEBPKI_INVALID)
    assert of_attributes({"policy_type": "sts", "policy_failure": "no-such-failure"}).failure is None


def test_a_policy_of_records() -> None:
    found = of_records("mx.a.test", (TLSA(3, 1, 1, b"\x01\x02"),))
    assert found == ReportedPolicy(PolicyType.TLSA, "mx.a.test", ("3 1 1 0102",))
