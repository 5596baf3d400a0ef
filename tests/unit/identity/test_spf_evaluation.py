"""check_host(): limits, errors, and records and clients that want to make us work. What else it does prove the public suites."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.spf import Zone, evaluate, run

from gatepost.identity.spf.evaluation import EXPLANATION_LIMIT, check_host
from gatepost.identity.spf.port import Case, Result


def spf(text: str) -> list[dict[str, Any]]:
    return [{"TXT": text}]


def test_what_is_told() -> None:
    zone = {"a.example": spf("v=spf1 include:b.example -all"), "b.example": spf("v=spf1 ip4:192.0.2.0/24 -all")}
    verdict = evaluate(zone, "x@A.example.")
    assert (verdict.result, verdict.domain, verdict.term, verdict.prefix) == (Result.PASS, "a.example", "include:b.example", 24)
    assert not verdict.open
    assert evaluate(zone, "x@a.example", "198.51.100.1").prefix == 0
    assert evaluate({"a.example": spf("v=spf1 a +all"), "b.example": []}, "x@a.example").open
    assert evaluate({"a.example": spf("v=spf1  -all")}, "x@a.example").sends_no_mail


@pytest.mark.parametrize(
    "domain",
    [
        "",
        "localhost",
        "[192.0.2.1]",
        "192.0.2.1",
        "a..example",
        "x" * 64 + ".example",
        "a.\0.example",
        "a\\.example",
        "a+b.example",
        "a b.example",
        "(a).example",
        "a/b.example",
        "é" * 64 + ".x",
    ],
)
def test_what_can_have_no_policy_is_not_asked(domain: str) -> None:
    zone = Zone({})
    case = Case(address="192.0.2.1", domain=domain, sender=f"x@{domain}", helo="")
    assert run(check_host(case), zone).result is Result.NONE
    assert zone.asked == []


def test_a_domain_in_its_own_letters_is_asked_by_its_a_labels() -> None:
    """RFC 8616 §4."""
    assert (
        evaluate(
            {
                "xn--bcher-kva.example": spf("v=spf1 exists:%{o} -all"),
            },
            "x@bücher.example",
        ).result
        is Result.FAIL
    )
    zone = {"xn--bcher-kva.example": [{"TXT": "v=spf1 exists:%{o} -all"}, {"A": "127.0.0.2"}]}
    assert evaluate(zone, "x@Bücher.example").result is Result.PASS


def test_terms_of_a_local_part_in_other_letters_never_match() -> None:
    """RFC 8616 §4: and are not asked for."""
    zone = {"a.example": spf("v=spf1 exists:%{l}.a.example include:%{s}.b.example ~all"), "*": []}
    assert evaluate(zone, "é@a.example").result is Result.SOFTFAIL


@pytest.mark.parametrize("local", ["a\0b", "a\\.b", "a b", "a..b", ".", "x" * 300, "a\r\nb", "%{d}", "é"])
def test_hostile_local_parts(local: str) -> None:
    zone = Zone({"a.example": spf("v=spf1 exists:%{l}.a.example exists:%{L1r-}.a.example -all exp=e.a.example"),
                 "e.a.example": spf("%{l} %{S}")})  # fmt: skip
    verdict = run(check_host(Case(address="192.0.2.1", domain="a.example", sender=f"{local}@a.example", helo="\0")), zone)
    assert verdict.result is Result.FAIL
    assert verdict.explanation.isprintable()
    assert len(verdict.explanation) <= EXPLANATION_LIMIT
    assert all(question.name.isprintable() and len(question.name) <= 253 for question in zone.asked)


class Endless(Zone):
    """A zone where every name has a policy that leads on to more."""

    def __init__(self, policy: str, exchangers: int = 10) -> None:
        super().__init__({})
        self._policy, self._exchangers = policy, exchangers

    def answer(self, question: Any) -> Any:
        from gatepost.identity.spf.port import Answer

        self.asked.append(question)
        number = len(self.asked)
        many = tuple(f"{number}-{one}.example" for one in range(self._exchangers))
        return Answer(
            {"TXT": (self._policy.replace("#", str(number)),), "MX": many, "PTR": many}.get(question.record, ("203.0.113.1",))
        )


@pytest.mark.parametrize(
    ("policy", "result"),
    [
        ("v=spf1 include:#.example include:#b.example -all", Result.PERMERROR),
        ("v=spf1 redirect=#.example", Result.PERMERROR),
        ("v=spf1 " + "mx:x.example " * 600 + "-all", Result.PERMERROR),
        ("v=spf1 " + "ptr:x.example " * 500 + "-all", Result.PERMERROR),
        ("v=spf1 " + "a:%{p}.%{p}.%{p}.x -a:%{h1} " * 9, Result.PERMERROR),
        ("v=spf1 mx ptr mx include:#.example a mx -all", Result.PERMERROR),
        ("v=spf1 " + "ip4:203.0.113.0/24 " * 400 + "-all", Result.FAIL),
    ],
)
def test_records_that_amplify(policy: str, result: Result) -> None:
    """No policy makes us ask more than the terms times what each may ask: 10 terms, 10 exchangers, 10 names (RFC 7208 §11.1)."""
    zone = Endless(policy)
    verdict = run(check_host(Case(address="192.0.2.1", domain="a.example", sender="x@a.example", helo="." * 900)), zone)
    assert verdict.result is result
    assert len(zone.asked) <= 1 + 10 * 11


def test_the_names_of_a_client_are_asked_for_once() -> None:
    zone = Zone({"a.example": spf("v=spf1 " + "exists:%{p}.%{p}.x " * 3 + "-all exp=e.a.example"), "e.a.example": spf("%{p}"),
                 "1.2.0.192.in-addr.arpa": [{"PTR": "h.example"}], "h.example": [{"A": "192.0.2.1"}]})  # fmt: skip
    verdict = run(check_host(Case(address="192.0.2.1", domain="a.example", sender="x@a.example", helo="", void_limit=9)), zone)
    assert verdict.explanation == "h.example"
    assert [question.record for question in zone.asked] == ["TXT", "PTR", "A", "A", "A", "A", "TXT"]


def test_more_than_ten_exchangers_are_an_error() -> None:
    assert (
        run(check_host(Case(address="192.0.2.1", domain="a.b", sender="x@a.b", helo="")), Endless("v=spf1 mx", 11)).result
        is Result.PERMERROR
    )


def test_of_many_names_of_a_client_ten_are_asked() -> None:
    zone = Endless("v=spf1 ptr:example -all", 100)
    assert run(check_host(Case(address="192.0.2.1", domain="a.b", sender="x@a.b", helo="")), zone).result is Result.PERMERROR
    zone = Endless("v=spf1 ptr:x.example -all", 100)
    assert run(check_host(Case(address="192.0.2.1", domain="a.b", sender="x@a.b", helo="")), zone).result is Result.FAIL
    assert len(zone.asked) <= 2


@pytest.mark.parametrize("limit", [0, 1, 2, 5])
def test_void_answers(limit: int) -> None:
    zone = {"a.example": spf("v=spf1 " + "".join(f"a:{one}.example " for one in range(limit)) + "?all")}
    assert evaluate(zone, "x@a.example", void_limit=limit).result is Result.NEUTRAL
    zone = {"a.example": spf("v=spf1 " + "".join(f"a:{one}.example " for one in range(limit + 1)) + "?all")}
    assert evaluate(zone, "x@a.example", void_limit=limit).result is Result.PERMERROR


def test_the_names_of_a_client_are_not_held_against_the_policy() -> None:
    """Whoever connects chooses what its addresses are called; no such name is a void answer of the policy."""
    zone = {"a.example": spf("v=spf1 ptr a ~all"), "1.2.0.192.in-addr.arpa": [{"PTR": f"{one}.a.example"} for one in range(5)]}
    assert evaluate(zone, "x@a.example").result is Result.SOFTFAIL


@pytest.mark.parametrize(
    ("policy", "result"),
    [
        ("a:slow.example", Result.TEMPERROR),
        ("mx:slow.example", Result.TEMPERROR),
        ("exists:slow.example", Result.TEMPERROR),
        ("include:slow.example", Result.TEMPERROR),
        ("redirect=slow.example", Result.TEMPERROR),
        ("mx:m.example", Result.TEMPERROR),
        ("ptr:slow.example", Result.FAIL),
        ("ip4:192.0.2.1 a:slow.example", Result.PASS),
        ("-all a:slow.example", Result.FAIL),
        ("-all exp=slow.example", Result.FAIL),
        ("include:none.example", Result.PERMERROR),
        ("redirect=none.example", Result.PERMERROR),
    ],
)
def test_where_the_dns_does_not_answer(policy: str, result: Result) -> None:
    zone = {"a.example": spf(f"v=spf1 {policy}" + ("" if "=" in policy else " -all")), "slow.example": ["TIMEOUT"],
            "m.example": [{"MX": [1, "slow.example"]}]}  # fmt: skip
    verdict = evaluate(zone, "x@a.example")
    assert verdict.result is result
    assert bool(verdict.problem) is (result in (Result.TEMPERROR, Result.PERMERROR))


def test_of_two_exchangers_the_first_that_matches_is_enough() -> None:
    zone = {"a.example": [{"TXT": "v=spf1 mx -all"}, {"MX": [1, "m.example"]}, {"MX": [2, "slow.example"]}],
            "m.example": [{"A": "192.0.2.1"}], "slow.example": ["TIMEOUT"]}  # fmt: skip
    assert evaluate(zone, "x@a.example").result is Result.PASS


def test_an_address_mapped_into_ipv6_is_one_of_ipv4() -> None:
    zone = {"a.example": spf("v=spf1 ip4:192.0.2.1 ip6::://0 -all".replace(" ip6::://0", ""))}
    assert evaluate(zone, "x@a.example", "::ffff:192.0.2.1").result is Result.PASS


TERMS = [
    "a", "mx", "ptr", "all", "-all", "include:b.example", "include:a.example", "redirect=b.example", 
    "exists:%{i}.%{l}.%{p}.b.example",          "a:%{h}", "exp=b.example", "ip4:192.0.2.1", "mx:%{d2r}.b.example//0", "x=y", "moo",
]  # fmt: skip


@given(st.lists(st.sampled_from(TERMS), max_size=8), st.lists(st.sampled_from(TERMS), max_size=8), st.text(max_size=20))
def test_any_policy_comes_to_an_end(one: list[str], other: list[str], local: str) -> None:
    zone = Zone({"a.example": [{"TXT": " ".join(["v=spf1", *one])}, {"MX": [1, "b.example"]}],
                 "b.example": [{"TXT": " ".join(["v=spf1", *other])}, {"A": "198.51.100.1"}, {"AAAA": "2001:db8::1"}]})  # fmt: skip
    for address in ("192.0.2.1", "2001:db8::1"):
        case = Case(address=address, domain="a.example", sender=f"{local}@a.example", helo=local)
        assert run(check_host(case), zone).result in Result
    assert len(zone.asked) <= 2 * 111
