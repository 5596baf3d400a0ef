"""What a message makes rules ask of the DNS."""

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.filter.evals.examined_message import Message

from gatepost.filter.names.asking import Asking
from gatepost.filter.names.hosts import public, question_name, reversed_address
from gatepost.filter.names.questions import Fit, Lookups, Question, Want
from gatepost.filter.names.restriction import Restriction
from gatepost.filter.names.subtests import fits, numeric, of_list, of_template
from gatepost.filter.port import Relay, Relays, Text, Uri
from gatepost.filter.rules.ruleset import Call, Kind, Lookup, Rule, Ruleset


def called(name: str, function: str, *arguments: str, flags: Sequence[str] = ("net",), kind: Kind = Kind.HEADER) -> Rule:
    return Rule(name, kind, "x.cf:1", call=Call(function, arguments), flags=tuple(flags))


def looked_up(name: str, how: str, zone: str, answer: str = "", *flags: str) -> tuple[Rule, Lookup]:
    return called(name, "check_uridnsbl", name, flags=("net", *flags), kind=Kind.BODY), Lookup(how, zone, "A", answer)


def lookups(rules: Sequence[Rule], message: Message, most: int = 100, **options: tuple[str, ...]) -> Lookups:
    named = {rule.name: rule for rule in rules}
    places = {rule.call.arguments[0]: LISTS[rule.name] for rule in rules if rule.name in LISTS and rule.call}
    message.options = options
    ruleset = Ruleset(named, options=dict(options), lookups=places)
    return Asking(ruleset, 1, most).lookups(message)


def names(found: Lookups) -> list[str]:
    return [f"{question.name} {question.record}" for question in found.questions]


LISTS: dict[str, Lookup] = {}

RELAYS = Relays(
    untrusted=(Relay(ip="8.8.8.8", helo="mx.sender.test"), Relay(ip="192.168.1.1"), Relay(ip="9.9.9.9"), Relay(ip="8.8.8.8")),
    external=(Relay(ip="10.0.0.1", helo="mx.sender.test"), Relay(ip="8.8.8.8"), Relay(ip="9.9.9.9")),
    trusted=(Relay(ip="1.1.1.1"),),
)
FROM = {
    "From": b"A <a@www.author.test>",
    "From:addr": b"a@www.author.test",
    "EnvelopeFrom": b"b@sender.test",
    "EnvelopeFrom:addr": b"b@sender.test",
}
MESSAGE = Message(relays=RELAYS, headers=FROM)


@pytest.mark.parametrize(
    ("of_set", "expected"),
    [
        ("zen", ["8.8.8.8.zen.test A", "9.9.9.9.zen.test A"]),
        ("zen-lastexternal", ["8.8.8.8.zen.test A"]),
        ("zen-firsttrusted", ["8.8.8.8.zen.test A"]),
        ("zen-untrusted", ["9.9.9.9.zen.test A", "8.8.8.8.zen.test A"]),
        ("zen-notfirsthop", ["8.8.8.8.zen.test A", "9.9.9.9.zen.test A"]),
    ],
)
def test_the_end_of_a_sets_name_says_which_relays_are_asked_for(of_set: str, expected: list[str]) -> None:
    assert names(lookups([called("R", "check_rbl", of_set, "zen.test.")], MESSAGE)) == expected


def test_rules_of_one_set_hang_on_one_question() -> None:
    rules = [
        called("BASE", "check_rbl", "zen-lastexternal", "zen.test."),
        called("SUB", "check_rbl_sub", "zen-lastexternal", "127.0.0.2"),
        called("OTHER", "check_rbl", "other-lastexternal", "zen.test", r"^127\.0\.0\.[45]$"),
        called("LOST", "check_rbl_sub", "nobody", "127.0.0.2"),
    ]
    (question,) = lookups(rules, MESSAGE).questions
    assert [want.rule for want in question.wants] == ["BASE", "SUB", "OTHER"]


@pytest.mark.parametrize(
    ("function", "arguments", "expected"),
    [
        ("check_rbl_txt", ("s-lastexternal", "txt.test"), ["8.8.8.8.txt.test TXT"]),
        ("check_rbl_envfrom", ("s", "env.test"), ["sender.test.env.test A"]),
        ("check_rbl_from_host", ("s", "from.test"), ["www.author.test.from.test A", "sender.test.from.test A"]),
        ("check_rbl_from_domain", ("s", "from.test"), ["author.test.from.test A", "sender.test.from.test A"]),
        ("check_rbl_ns_from", ("s", "ns.test"), ["author.test NS", "sender.test NS"]),
        ("check_rbl_headers", ("s", "h.test", "", "From"), ["www.author.test.h.test A"]),
        ("check_dns_sender", (), ["sender.test A", "sender.test MX"]),
    ],
)
def test_what_headers_name(function: str, arguments: tuple[str, ...], expected: list[str]) -> None:
    assert names(lookups([called("R", function, *arguments)], MESSAGE)) == expected


def uris(*hosts: bytes, raw: bytes = b"http://%s/") -> Message:
    found = [Uri(raw.replace(b"%s", host), hosts={host: b".".join(host.split(b".")[-2:])}) for host in hosts]
    return Message(text=Text(uris=tuple(found)))


@pytest.mark.parametrize(
    ("how", "flags", "expected"),
    [
        ("urirhsbl", (), ["shop.test.list.test A", "1.2.0.192.list.test A"]),
        ("urirhsbl", ("notrim",), ["www.shop.test.list.test A", "1.2.0.192.list.test A"]),
        ("urirhsbl", ("domains_only",), ["shop.test.list.test A"]),
        ("urirhsbl", ("ips_only",), ["1.2.0.192.list.test A"]),
        ("uridnsbl", (), ["shop.test NS"]),
        ("uridnsbl", ("a",), ["www.shop.test A"]),
        ("urifullnsrhsbl", (), ["shop.test NS"]),
    ],
)
def test_hosts_of_uris(how: str, flags: tuple[str, ...], expected: list[str]) -> None:
    rule, LISTS["R"] = looked_up("R", how, "list.test", "", *flags)
    message = Message(
        text=Text(
            uris=(
                Uri(b"http://www.shop.test/", hosts={b"www.shop.test": b"shop.test"}),
                Uri(b"http://192.0.2.1/", hosts={b"192.0.2.1": b"192.0.2.1"}),
            )
        )
    )
    assert names(lookups([rule], message)) == expected


def test_skipped_domains_and_mail_addresses_are_not_asked_for() -> None:
    rule, LISTS["R"] = looked_up("R", "urirhsbl", "list.test")
    assert not names(lookups([rule], uris(b"www.known.test"), uridnsbl_skip_domain=("else.test known.test",)))
    mail = uris(b"www.shop.test", raw=b"mailto:a@%s")
    assert not names(lookups([rule], mail))
    assert names(lookups([rule], mail, uridnsbl_skip_mailto=("0",)))


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("_SENDERDOMAIN_.x.test", ["sender.test.x.test A"]),
        ("_AUTHORDOMAIN_.x.test", ["www.author.test.x.test A"]),
        ("_LASTEXTERNALREVIP_.x.test", ["1.0.0.10.x.test A"]),
        ("_HEADER(EnvelopeFrom:addr)_.x.test", []),
        ("_DKIMDOMAIN_.x.test", []),
        ("plain.x.test", ["plain.x.test A"]),
    ],
)
def test_templates(template: str, expected: list[str]) -> None:
    rule = Rule("R", Kind.ASKDNS, "x.cf:1", lookup=Lookup("askdns", template, "A", ""))
    assert names(lookups([rule], MESSAGE)) == expected


def test_digests_of_what_stands_in_the_text() -> None:
    message = Message(
        text=Text(body=(b"Subject\n", b"pay to 1ABCdefghijkmnopqrstuvwxyz23 or write A.B+c@Shop.Test\n")), headers=FROM
    )
    coin = called("B", "check_hashbl_bodyre", "coin.test", "raw/case/max=10", r"\b(1[A-Za-z\d]{25,34})\b", kind=Kind.BODY)
    mail = called("M", "check_hashbl_emails", "mail.test/A", "md5/notag/nodot", "body")
    digest = hashlib.md5(b"ab@shop.test").hexdigest()
    assert names(lookups([coin, mail], message)) == ["1abcdefghijkmnopqrstuvwxyz23.coin.test A", f"{digest}.mail.test A"]


def test_a_message_with_very_many_hosts_asks_a_bounded_number_of_names() -> None:
    rule, LISTS["R"] = looked_up("R", "urirhsbl", "list.test", "", "notrim")
    many = uris(*(b"a%d.b%d.test" % (at, at) for at in range(100_000)))
    assert len(lookups([rule], many).questions) == 20
    same = uris(*(b"a%d.b.test" % at for at in range(100_000)))
    assert len(lookups([rule], same).questions) == 20
    limited = lookups([rule], many, most=5)
    assert (len(limited.questions), limited.left_out) == (5, 15)
    crowd = Relays(untrusted=tuple(Relay(ip=f"8.8.{at // 250}.{at % 250}") for at in range(10_000)))
    assert len(lookups([called("L", "check_rbl", "zen", "zen.test")], Message(relays=crowd)).questions) == 10


def test_switches_of_rule_files() -> None:
    rules = [called("R", "check_rbl", "zen-lastexternal", "zen.test")]
    assert not lookups(rules, MESSAGE, dns_available=("no",)).questions
    assert not lookups(rules, MESSAGE, skip_rbl_checks=("1",)).questions
    assert not lookups(rules, MESSAGE, dns_query_restriction=("deny test",)).questions
    assert lookups(rules, MESSAGE, dns_query_restriction=("deny test", "allow zen.test")).questions
    times = lookups(rules, MESSAGE, rbl_timeout=("20 5", "1 other.test", "10"))
    assert (times.longest, times.least) == (10.0, 2.0) or (times.longest, times.least) == (10.0, 2)


def test_the_closest_domain_decides() -> None:
    restriction = Restriction(["deny *", "allow example.test", "deny bad.example.test"])
    assert [restriction.allows(name) for name in ("x.test", "a.example.test", "a.bad.example.test")] == [False, True, False]


@pytest.mark.parametrize(
    ("answer", "record", "expected"),
    [
        ("127.0.0.2", "127.0.0.2", True),
        ("127.0.0.2", "127.0.0.3", False),
        ("8", "127.0.0.24", True),
        ("0x10", "127.0.0.8", False),
        ("8", "10.0.0.8", False),
        ("127.0.1.20-127.0.1.39", "127.0.1.39", True),
        ("127.0.1.0/255.255.255.0", "127.0.1.77", True),
        ("127.0.1.0/255.255.255.0", "127.0.2.77", False),
        (r"^127\.0\.\d+\.1$", "127.0.9.1", True),
        (r"(?i:SpamCop)", "see spamcop", True),
        ("", "anything", True),
    ],
)
def test_which_records_count(answer: str, record: str, expected: bool) -> None:
    want = of_list("R", answer)
    assert want is not None
    assert (fits(want, [record], 0) is not None) is expected


@pytest.mark.parametrize(
    ("answer", "records", "code", "expected"),
    [
        ("/^v=spf1 \\+all$/", ["v=spf1 +all"], 0, True),
        ('"list"', ["list all"], 0, False),
        ("'list'", ["list"], 0, True),
        ("[NXDOMAIN,4]", [], 3, True),
        ("[NXDOMAIN]", [], 0, False),
        ("16", ["127.0.0.16"], 0, True),
    ],
)
def test_filters_of_templates(answer: str, records: list[str], code: int, expected: bool) -> None:
    assert any(fits(want, records, code) is not None for want in of_template("R", answer)) is expected


def test_what_is_no_filter_asks_nothing() -> None:
    assert of_list("R", "(") is None
    assert fits(Want("R", Fit.PATTERN, b"("), ["x"], 0) is None
    assert of_template("R", "nonsense") == ()
    assert numeric("R", "999.999.999.999") is not None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("WWW.Example.TEST.", "www.example.test"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("_dmarc.example", "_dmarc.example"),
        ("localhost", None),
        ("a..b", None),
        ("a b.example", None),
        ("!127.0.0.1!", None),
        ("a" * 64 + ".example", None),
        (("a" * 60 + ".") * 5 + "example", None),
    ],
)
def test_names_that_may_be_asked_for(name: str, expected: str | None) -> None:
    assert question_name(name) == expected


@given(st.text(max_size=300))
def test_any_text_is_a_name_or_none(text: str) -> None:
    made = question_name(text)
    assert made is None or (len(made) <= 253 and made.isascii() and made == made.lower())
    assert reversed_address(text) is None or public(text) in (True, False)


def test_a_question_is_a_value() -> None:
    assert Question("a.test", "A", (Want("R"),)) == Question("a.test", "A", (Want("R"),))
