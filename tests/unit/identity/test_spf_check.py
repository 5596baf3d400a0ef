"""Whom we ask about, in which order, and what is said where the DNS or a list does not answer."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.support.fake_dns import FakeDns
from tests.support.settings import default

from gatepost.identity.spf.check import Checker, Client, Finding, Lists
from gatepost.identity.spf.lookups import ask
from gatepost.identity.spf.port import Answer, Identity, Question, Result
from gatepost.identity.spf.ruling import headers, rule
from gatepost.identity.spf.settings import SpfSettings
from gatepost.lookup.port import LookupFailure
from gatepost.lookup.registry import Tables

ZONE = """
pass.test TXT v=spf1 ip4:192.0.2.1 -all
fail.test TXT v=spf1 -all
slow.test SERVFAIL
host.test A 192.0.2.1
host.test AAAA 2001:db8::1
host.test MX 20 b.test
host.test MX 10 a.test
1.2.0.192.in-addr.arpa PTR host.test
"""


def checker(dns: Any = None, **parameters: Any) -> Checker:
    view = default(SpfSettings, **parameters)
    asked = dns or FakeDns(ZONE)
    return Checker(view, Lists.opened(view, Tables(lambda text: None)), lambda client: asked, lambda: 0.0)


def find(sender: str = "a@pass.test", helo: str = "helo.test", address: str = "192.0.2.1", **parameters: Any) -> Finding:
    return asyncio.run(checker(**parameters).find(Client(address, "unknown", helo, sender)))


@pytest.mark.parametrize(
    ("record", "name", "values"),
    [
        ("A", "host.test", ("192.0.2.1",)),
        ("AAAA", "host.test", ("2001:db8::1",)),
        ("MX", "host.test", ("a.test", "b.test")),
        ("PTR", "192.0.2.1", ("host.test",)),
        ("TXT", "fail.test", ("v=spf1 -all",)),
        ("TXT", "host.test", ()),
        ("TXT", "nowhere.test", ()),
    ],
)
def test_answers(record: str, name: str, values: tuple[str, ...]) -> None:
    assert asyncio.run(ask(FakeDns(ZONE), Question(record, name))) == Answer(values)


@pytest.mark.parametrize("name", ["slow.test", "a.slow.test"])
def test_no_answer_is_not_a_void_one(name: str) -> None:
    assert asyncio.run(ask(FakeDns(ZONE), Question("A", name))).failed


def test_helo_and_mail_from() -> None:
    found = find("a@pass.test", "fail.test")
    assert found.helo is not None
    assert found.mail_from is not None
    assert (found.helo.identity, found.helo.result) == (Identity.HELO, Result.FAIL)
    assert (found.mail_from.identity, found.mail_from.result) == (Identity.MAIL_FROM, Result.PASS)
    assert found.decisive is found.mail_from
    assert found.passed_domain == "pass.test"


def test_where_the_sender_has_no_policy_that_of_helo_stands_for_the_message() -> None:
    assert find("a@none.test", "pass.test").decisive == find("a@none.test", "pass.test").helo
    assert find("a@none.test", "none.test").decisive == find("a@none.test", "none.test").mail_from
    assert find("", "pass.test").decisive == find("", "pass.test").helo
    assert find("a@none.test", "pass.test").passed_domain == ""


@pytest.mark.parametrize("address", ["", "unknown", "local", "fe80::1%eth0", "127.0.0.9", "::1", "::ffff:127.0.0.1"])
def test_whoever_has_no_address_of_the_net_is_local(address: str) -> None:
    found = find("a@fail.test", address=address)
    assert found.skipped
    assert found.decisive is None


def test_a_mapped_address_is_one_of_ipv4_to_lists_too() -> None:
    assert find("a@fail.test", address="::ffff:192.0.2.1", spf_whitelist="192.0.2.1").skipped


def test_a_list_that_cannot_be_asked_is_no_answer() -> None:
    with pytest.raises(LookupFailure):
        find(spf_whitelist="fail:1")


class Stuck(FakeDns):
    """Answers about nothing but `pass.test`."""

    async def txt(self, name: str) -> tuple[str, ...]:
        if name != "pass.test":
            await asyncio.get_running_loop().create_future()
        return await super().txt(name)


def _in_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    limit: Callable[[float], Any] = asyncio.timeout
    monkeypatch.setattr(asyncio, "timeout", lambda seconds: limit(seconds / 10_000))


@pytest.mark.parametrize(("sender", "helo"), [("a@stuck.test", "pass.test"), ("a@pass.test", "stuck.test"), ("", "stuck.test")])
def test_time_is_over(sender: str, helo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _in_no_time(monkeypatch)
    found = asyncio.run(checker(Stuck(ZONE)).find(Client("192.0.2.1", "unknown", helo, sender)))
    assert found.decisive is not None
    assert found.decisive.result is Result.TEMPERROR
    assert found.decisive.problem == "no answers within 20 seconds"


def test_time_is_over_for_what_was_not_asked_for() -> None:
    found = find("", "", spf_helo_check="no")
    assert found.decisive is None


@pytest.mark.parametrize(
    ("sender", "helo", "parameters", "action", "enhanced"),
    [
        ("a@fail.test", "x.test", {}, "reject", "5.7.23"),
        ("a@fail.test", "x.test", {"spf_fail_action": "defer"}, "defer", "4.7.23"),
        ("a@fail.test", "x.test", {"spf_fail_action": "DEFER_IF_PERMIT"}, "defer_if_permit", "4.7.23"),
        ("a@fail.test", "x.test", {"spf_fail_action": "dunno"}, "dunno", ""),
        ("a@fail.test", "x.test", {"spf_fail_action": " "}, "dunno", ""),
        ("a@fail.test", "x.test", {"spf_fail_action": "REJECT go away"}, "REJECT go away", ""),
        ("a@fail.test", "x.test", {"spf_mail_from_check": False}, "dunno", ""),
        ("a@none.test", "x.test", {"spf_none_action": "reject"}, "reject", "5.7.23"),
        ("", "x.test", {"spf_none_action": "reject"}, "reject", "5.7.23"),
        ("a@pass.test", "x.test", {"spf_none_action": "reject"}, "dunno", ""),
        ("a@none.test", "fail.test", {}, "reject", "5.7.23"),
        ("a@none.test", "fail.test", {"spf_helo_fail_action": "dunno"}, "dunno", ""),
        ("a@slow.test", "x.test", {"spf_temperror_action": "reject"}, "defer", "4.7.24"),
        ("a@none.test", "slow.test", {"spf_temperror_action": "defer"}, "defer", "4.7.24"),
    ],
)
def test_rulings(sender: str, helo: str, parameters: dict[str, Any], action: str, enhanced: str) -> None:
    one = checker(**parameters)
    found = asyncio.run(one.find(Client("192.0.2.1", "unknown", helo, sender)))
    ruling = asyncio.run(rule(found, one.settings, one.lists))
    assert (ruling.action, ruling.enhanced) == (action, enhanced)


def test_headers_by_parameter() -> None:
    found = find()
    for kinds, names in ((("spf", "ar"), ["Received-SPF", "Authentication-Results"]), ((), [])):
        lines = headers(found, default(SpfSettings, spf_header_type=kinds))
        assert [line.partition(":")[0] for line in lines] == names
    assert headers(find(helo="", sender="", spf_helo_check="no"), default(SpfSettings)) == ()
