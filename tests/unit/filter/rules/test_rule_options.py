"""Settings of rule files: what adds up, what replaces, what is cleared and taken back."""

import pytest
from rule_files import ruleset

from gatepost.filter.rules.settings import CLEARED, FORMS, TAKEN_BACK


@pytest.mark.parametrize(
    ("text", "name", "values"),
    [
        ("required_score 4\nrequired_hits 6.5", "required_score", ("6.5",)),
        ("required-score 7", "required_score", ("7",)),
        ("use_bayes no", "use_bayes", ("0",)),
        ("rbl_timeout 5 2 example.org\nrbl_timeout 9", "rbl_timeout", ("5 2 example.org", "9")),
        ("whitelist_from a@b c@d\nwelcomelist_from e@f", "welcomelist_from", ("a@b c@d", "e@f")),
        ("whitelist_from a@b c@d\nunwhitelist_from C@D", "welcomelist_from", ("a@b",)),
        ("welcomelist_from_rcvd a@b x.org\nunwelcomelist_from_rcvd a@b", "welcomelist_from_rcvd", ()),
        (
            "enlist_uri_host (ONE) a.org b.org\nenlist_uri_host (TWO) a.org\ndelist_uri_host (ONE) a.org",
            "enlist_uri_host",
            ("(ONE) b.org", "(TWO) a.org"),
        ),
        ("trusted_networks 10/8\nclear_trusted_networks\ntrusted_networks 192.0.2.0/24", "trusted_networks", ("192.0.2.0/24",)),
        ("uridnsbl_skip_domain a.org b.org\nclear_uridnsbl_skip_domain a.org", "uridnsbl_skip_domain", ("b.org",)),
        ("add_header all A one\nadd_header spam B two\nremove_header all A", "add_header", ("spam B two",)),
        ("report one\nreport\nreport  two ", "report", ("one", "", "two")),
        ("report one\nclear_report_template", "report", ()),
        ("bayes_stopword_de a|b", "bayes_stopword_de", ("a|b",)),
        ("dns_local_ports_avoid 1-2\ndns_local_ports_none", "dns_local_ports_avoid", ()),
        ("redirector_pattern /a(.*)/i", "redirector_pattern", ("/a(.*)/i",)),
        ("welcomelist_subject é", "welcomelist_subject", ("é",)),
        ("freemail_domains a.org b.*", "freemail_domains", ("a.org b.*",)),
    ],
)
def test_a_setting(text: str, name: str, values: tuple[str, ...]) -> None:
    rules = ruleset(text)
    assert not rules.faults
    assert rules.option(name) == values


@pytest.mark.parametrize(
    "text", ["redirector_pattern a", "required_score", "whitelist_from", "time_limit soon", "bayes_stopword_german a"]
)
def test_a_bad_value_is_a_fault(text: str) -> None:
    rules = ruleset(text)
    assert [fault.where for fault in rules.faults] == ["/rules/b.cf:1"]
    assert not rules.options


def test_what_is_cleared_or_taken_back_is_a_setting() -> None:
    assert {name for names in CLEARED.values() for name in names} <= FORMS.keys()
    assert set(TAKEN_BACK.values()) <= FORMS.keys()
