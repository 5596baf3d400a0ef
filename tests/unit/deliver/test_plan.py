"""Which host next: the plan against tables of DNS answers and of what happened."""

from collections.abc import Sequence

import pytest

from gatepost.deliver.next_hop import parse_all
from gatepost.deliver.plan import FindAddresses, FindExchangers, FindServices, Host, HostPreferences, Plan, Stop, Try
from gatepost.mail.outcome import Class, Outcome, deferred
from gatepost.net.port import MX, DnsFailure, Filtered, FilterFailed, NotFound, TryAgain

MISSING = NotFound("x.test", "MX", "", exists=True)
ZONE: dict[str, Sequence[MX] | Sequence[str] | DnsFailure] = {
    "mx:x.test": (MX(20, "b.test"), MX(10, "a.test"), MX(10, "c.test")),
    "a.test": ("192.0.2.1",),
    "b.test": ("192.0.2.2", "2001:db8::2"),
    "c.test": ("192.0.2.3",),
    "mx:one.test": (MX(10, "a.test"),),
    "mx:null.test": (MX(0, ""),),
    "mx:dead.test": (MX(10, "nowhere.test"),),
    "mx:many.test": tuple(MX(n, "many.test") for n in range(1)),
    "many.test": tuple(f"192.0.2.{n}" for n in range(20)) + tuple(f"2001:db8::{n}" for n in range(20)),
    "mx:fail.test": TryAgain("fail.test", "MX", ""),
    "fail.test": ("192.0.2.9",),
    "mx:hostfail.test": (MX(10, "servfail.test"),),
    "servfail.test": TryAgain("servfail.test", "A", ""),
    "mx:dropped.test": Filtered("dropped.test", "MX", "DNS reply filter drops all results"),
    "dropped.test": ("192.0.2.9",),
    "mx:unsure.test": FilterFailed("unsure.test", "MX", "Invalid DNS reply filter syntax"),
    "unsure.test": ("192.0.2.9",),
    "mx:hostdropped.test": (MX(10, "droppedhost.test"), MX(20, "nowhere.test")),
    "droppedhost.test": Filtered("droppedhost.test", "A", "DNS reply filter drops all results"),
    "srv:_submission._tcp.dropped.test": Filtered("_submission._tcp.dropped.test", "SRV", "DNS reply filter drops all results"),
    "bare.test": ("192.0.2.8",),
    "mx:gap.test": (MX(5, "nowhere.test"), MX(10, "a.test")),
    "srv:_submission._tcp.x.test": (MX(0, "c.test", 2525), MX(1, "a.test", 2625)),
    "srv:_submission._tcp.null.test": (MX(0, "", 0),),
    "srv:_submission._tcp.dead.test": (MX(0, "nowhere.test", 25),),
    "srv:_submission._tcp.one.test": TryAgain("_submission._tcp.one.test", "SRV", ""),
}


def walk(
    nexthop: str,
    preferences: HostPreferences = HostPreferences(),
    fallback: str = "",
    tried: frozenset[str] = frozenset(),
    greets: str = "",
) -> list[str]:
    """Hosts in the order tried, where none but those in `greets` says hello, then the outcome."""
    sites = parse_all(nexthop, "25", {"submission": 587}, exchangers=True, services=("submission",))
    plan = Plan(sites + (parse_all(fallback, "25", {}, exchangers=True) if fallback else []), preferences, lambda hosts: None,
                primary=len(sites), tried=tried)  # fmt: skip
    told = []
    for _ in range(100):
        match plan.step():
            case FindExchangers(name):
                answer = ZONE.get(f"mx:{name}", NotFound(name, "MX", "", exists=f"{name}" in ZONE))
                if isinstance(answer, DnsFailure):
                    plan.no_exchangers(answer)
                else:
                    plan.exchangers(answer)  # type: ignore[arg-type]
            case FindServices(name):
                answer = ZONE.get(f"srv:{name}", NotFound(name, "SRV", "", exists=False))
                if isinstance(answer, DnsFailure):
                    plan.no_services(answer)
                else:
                    plan.services(answer)  # type: ignore[arg-type]
            case FindAddresses(hosts):
                found, failed = [], []
                for mx in hosts:
                    answer = ZONE.get(mx.host, NotFound(mx.host, "AAAA", "", exists=False))
                    if isinstance(answer, DnsFailure):
                        failed.append(answer)
                    else:
                        found += [Host(mx.host, str(address), mx.port or plan.port, mx.preference) for address in answer]
                plan.addresses(found, failed)
            case Try(host, _, final):
                port = f":{host.port}" if "submission" in nexthop else ""
                told.append(host.address + port + ("!" if final else ""))
                if host.address in greets.split():
                    plan.session()
                plan.failed(deferred(f"no {host.address}", "4.4.1"))
            case Stop(outcome):
                return [*told, *plan.warnings, f"{outcome.enhanced} {outcome.text}" if outcome else "nothing"]
    raise AssertionError("endless")


ERROR = "Error looking up name="
DROPS = "DNS reply filter drops all results"
NAME = "Host or domain name not found. Name service error for name="


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (walk("x.test"), ["192.0.2.1", "192.0.2.3", "192.0.2.2", "2001:db8::2!", "4.4.1 no 2001:db8::2"]),
        (walk("[b.test]"), ["192.0.2.2", "2001:db8::2!", "4.4.1 no 2001:db8::2"]),
        (walk("[192.0.2.7]:26"), ["192.0.2.7!", "4.4.1 no 192.0.2.7"]),
        (walk("unix:private/lmtp"), ["private/lmtp!", "4.4.1 no private/lmtp"]),
        (walk("bare.test"), ["192.0.2.8!", "4.4.1 no 192.0.2.8"]),
        (walk("[192.0.2.7]", fallback="[192.0.2.6]"), ["192.0.2.7", "192.0.2.6!", "4.4.1 no 192.0.2.6"]),
        (walk("null.test"), ["5.1.0 Domain null.test does not accept mail (nullMX)"]),
        (walk("nxdomain.test"), [f"5.4.4 {NAME}nxdomain.test type=AAAA: Host not found"]),
        (walk("fail.test"), [f"4.4.3 {NAME}fail.test type=MX: Host not found, try again"]),
        (walk("fail.test", HostPreferences(ignore_mx_error=True)), ["192.0.2.9!", "4.4.1 no 192.0.2.9"]),
        (walk("dropped.test", HostPreferences(ignore_mx_error=True)), [f"4.7.0 {ERROR}dropped.test type=MX: {DROPS}"]),
        (walk("dropped.test:submission", HostPreferences(ignore_srv_error=True, srv_fallback=True)),
         [f"4.7.0 {ERROR}_submission._tcp.dropped.test type=SRV: {DROPS}"]),
        (walk("unsure.test"), [f"4.4.3 {ERROR}unsure.test type=MX: Invalid DNS reply filter syntax"]),
        (walk("unsure.test", HostPreferences(ignore_mx_error=True)), ["192.0.2.9!", "4.4.1 no 192.0.2.9"]),
        (walk("hostdropped.test"), ["no MX host for hostdropped.test has a valid address record",
                                    f"4.7.0 {ERROR}droppedhost.test type=A: {DROPS}"]),
        (walk("hostfail.test"), ["no MX host for hostfail.test has a valid address record",
                                 f"4.4.3 {NAME}servfail.test type=A: Host not found, try again"]),
        (walk("dead.test"), ["no MX host for dead.test has a valid address record",
                             f"5.4.4 {NAME}nowhere.test type=AAAA: Host not found"]),
        (walk("dead.test", HostPreferences(defer_no_address=True))[1:], [f"4.4.4 {NAME}nowhere.test type=AAAA: Host not found"]),
        (walk("dead.test", fallback="[192.0.2.6]")[:1], ["192.0.2.6!"]),
        # This host among the exchangers: only better ones, and no fallback.
        (walk("x.test", HostPreferences(own=frozenset(("192.0.2.2",))), fallback="[192.0.2.6]"),
         ["192.0.2.1", "192.0.2.3!", "4.4.1 no 192.0.2.3"]),
        (walk("x.test", HostPreferences(own=frozenset(("192.0.2.1",)))), ["5.4.6 mail for x.test loops back to myself"]),
        (walk("gap.test", HostPreferences(own=frozenset(("192.0.2.1",)))), ["4.4.4 unable to find primary relay for gap.test"]),
        (walk("[192.0.2.1]", HostPreferences(own=frozenset(("192.0.2.1",)))), ["5.4.6 mail for 192.0.2.1 loops back to myself"]),
        (walk("[192.0.2.1]:26", HostPreferences(own=frozenset(("192.0.2.1",))))[:1], ["192.0.2.1!"]),
        # Hosts of SRV records, with their own ports (RFC 2782); what is in brackets, or has another port, is no such domain.
        (walk("x.test:submission"), ["192.0.2.3:2525", "192.0.2.1:2625!", "4.4.1 no 192.0.2.1"]),
        (walk("[a.test]:submission"), ["192.0.2.1:587!", "4.4.1 no 192.0.2.1"]),
        (walk("one.test:587"), ["192.0.2.1!", "4.4.1 no 192.0.2.1"]),
        (walk("null.test:submission"), ["5.1.0 Domain null.test does not offer service submission (null SRV)"]),
        (walk("bare.test:submission"), [f"5.4.4 {NAME}_submission._tcp.bare.test type=SRV: Host not found"]),
        (walk("bare.test:submission", HostPreferences(srv_fallback=True))[:1], ["192.0.2.8:587!"]),
        (walk("bare.test:submission", HostPreferences(ignore_srv_error=True))[0][:5], "5.4.4"),
        (walk("one.test:submission"), [f"4.4.3 {NAME}_submission._tcp.one.test type=SRV: Host not found, try again"]),
        (walk("one.test:submission", HostPreferences(srv_fallback=True))[0][:5], "4.4.3"),
        (walk("one.test:submission", HostPreferences(ignore_srv_error=True))[:1], ["192.0.2.1:587!"]),
        (walk("dead.test:submission"), ["no SRV host for dead.test has a valid address record",
                                        f"5.4.4 {NAME}nowhere.test type=AAAA: Host not found"]),
        # Only who listens where mail is exchanged may be this host itself.
        (walk("x.test:submission", HostPreferences(own=frozenset(("192.0.2.3",))))[0], "192.0.2.3:2525"),
        # Limits.
        (walk("x.test", HostPreferences(address_limit=1))[:-1], ["192.0.2.1!"]),
        (walk("x.test", greets="192.0.2.1 192.0.2.3"), ["192.0.2.1", "192.0.2.3!", "4.4.1 no 192.0.2.3"]),
        (walk("x.test", HostPreferences(session_limit=1), greets="192.0.2.3")[:-1], ["192.0.2.1!", "192.0.2.3!"]),
        # A host that has had its turn over a kept connection.
        (walk("[192.0.2.7]", tried=frozenset(("192.0.2.7",))), ["nothing"]),
        (walk("one.test", fallback="[192.0.2.6]", tried=frozenset(("192.0.2.1",)))[:1], ["192.0.2.6!"]),
    ],
)  # fmt: skip
def test_walks(told: list[str], expected: list[str]) -> None:
    assert told == expected


@pytest.mark.parametrize(("prefer", "first"), [("any", "192.0.2.2"), ("ipv4", "192.0.2.2"), ("ipv6", "2001:db8::2")])
def test_address_preference(prefer: str, first: str) -> None:
    assert walk("[b.test]", HostPreferences(prefer=prefer))[0] == first


def test_either_family_has_a_share() -> None:
    told = walk("[many.test]", HostPreferences(address_limit=5))
    assert sum("." in word and ":" not in word for word in told[:-1]) == 3
    assert len(told) == 6
    assert len(walk("[many.test]", HostPreferences(address_limit=0))) == 41
    assert all(":" not in word for word in walk("[many.test]", HostPreferences(address_limit=5, balance=False))[:-1])


def test_equals_are_shuffled_only_among_themselves() -> None:
    def backwards(hosts: list[Host]) -> None:
        hosts.reverse()

    plan = Plan(parse_all("x.test", "25", {}, exchangers=True), HostPreferences(), backwards)
    plan.step()
    plan.exchangers((MX(10, "a.test"), MX(10, "b.test"), MX(5, "c.test")))
    plan.step()
    plan.addresses([Host("c.test", "3", 25, 5), Host("a.test", "1", 25, 10), Host("b.test", "2", 25, 10)], [])
    order = []
    while isinstance(step := plan.step(), Try):
        order.append(step.host.address)
        plan.failed(Outcome(Class.TEMPORARY, "4.4.1", ""))
    assert order == ["3", "2", "1"]
