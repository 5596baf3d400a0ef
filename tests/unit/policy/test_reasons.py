"""What every restriction leaves in the JSON log: its name as configured, the table it asked, the key, and what it said."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.support.restrictions import COMMON, World

from gatepost.events.json_lines import line
from gatepost.events.records import Judged
from gatepost.mail.reason import STEPS_LIMIT, TEXT_LIMIT, Reason, Step, let_in
from gatepost.policy.port import Stage
from gatepost.policy.restrictions import ROWS

ZONE = """
spam.test MX 10 mx.spam.test
spam.test NS ns.spam.test
spam.test A 192.0.2.80
spam.test TXT v=spf1 -all
mx.spam.test A 192.0.2.25
ns.spam.test A 192.0.2.53
9.2.0.192.bl.test A 127.0.0.2
spam.test.bl.test A 127.0.0.3
"""
MAIN = """
unverified_sender_tempfail_action = defer
unverified_recipient_tempfail_action = defer
mynetworks = 192.0.2.0/24
inet_interfaces = 192.0.2.9
smtpd_sasl_auth_enable = yes
smtpd_sender_login_maps = inline:{a@spam.test=owner}
relay_clientcerts = inline:{AA:BB=x}
maps_rbl_domains = bl.test
smtpd_relay_restrictions =
parent_domain_matches_subdomains =
"""
TABLE = "inline:{{spam.test=REJECT no},{192.0.2=REJECT no},{user=REJECT no},{AA:BB=REJECT no}}"
NOTABLE = "inline:{{nobody.test=REJECT no}}"
DOMAINS = "mydestination virtual_alias_domains virtual_mailbox_domains relay_domains"
FACTS: dict[str, Any] = {
    "client_name": "spam.test", "reverse_client_name": "spam.test", "client_address": "192.0.2.9", "helo_name": "spam.test",
    "sender": "a@spam.test", "recipient": "x@spam.test", "etrn_domain": "spam.test", "protocol_state": "RCPT",
    "sasl_username": "user",
    "ccert_fingerprint": "AA:BB", "ccert_subject": "client.spam.test", "ccert_trusted": True,
}  # fmt: skip
NAMELESS = {"client_name": "unknown", "reverse_client_name": "unknown"}
BARE = {"helo_name": "bare"}


class Case:
    """`argument`: what follows the name; `table`, `key`: what its record tells; `facts`: changes to FACTS."""

    def __init__(self, argument: str, table: str, key: str, facts: Mapping[str, Any] = {}) -> None:
        self.argument, self.table, self.key, self.facts = argument, table, key, facts


def _access(key: str, **facts: Any) -> Case:
    return Case(TABLE, TABLE, key, facts)


POSTPONED = {"defer_if_permit": "permit", "check_greylist": "reject_unauth_destination"}
"""What must stand behind whom, so that what was postponed is said."""
LISTED_CLIENT = Case("bl.test", "bl.test", "9.2.0.192.bl.test")
LISTED_NAME = Case("bl.test", "bl.test", "spam.test.bl.test")
UNLISTED = {"recipient": "nobody@example.test"}
CASES: dict[str, Case] = {
    "permit": Case("", "", ""),
    "reject": Case("", "", ""),
    "defer": Case("", "", ""),
    "defer_if_permit": Case("", "", ""),
    "defer_if_reject": Case("", "", ""),
    "sleep": Case("1", "", ""),
    "permit_mynetworks": Case("", "mynetworks", "192.0.2.9"),
    "permit_inet_interfaces": Case("", "inet_interfaces", "192.0.2.9"),
    "permit_sasl_authenticated": Case("", "", "user"),
    **dict.fromkeys(
        ("reject_unknown_client_hostname", "reject_unknown_client", "reject_unknown_reverse_client_hostname"),
        Case("", "DNS", "192.0.2.9", NAMELESS),
    ),
    **dict.fromkeys(("reject_invalid_helo_hostname", "reject_invalid_hostname"), Case("", "", "a..b", {"helo_name": "a..b"})),
    **dict.fromkeys(("reject_non_fqdn_helo_hostname", "reject_non_fqdn_hostname"), Case("", "", "bare", BARE)),
    **dict.fromkeys(("reject_unknown_helo_hostname", "reject_unknown_hostname"), Case("", "DNS", "bare", BARE)),
    "reject_non_fqdn_sender": Case("", "", "a@bare", {"sender": "a@bare"}),
    "reject_unknown_sender_domain": Case("", "DNS", "gone.test", {"sender": "a@gone.test"}),
    "reject_unlisted_sender": Case("", "{LOCAL}", "nobody@example.test", {"sender": "nobody@example.test"}),
    "reject_non_fqdn_recipient": Case("", "", "x@bare", {"recipient": "x@bare"}),
    "reject_unknown_recipient_domain": Case("", "DNS", "gone.test", {"recipient": "x@gone.test"}),
    **dict.fromkeys(("reject_unlisted_recipient", "check_recipient_maps"), Case("", "{LOCAL}", "nobody@example.test", UNLISTED)),
    "reject_multi_recipient_bounce": Case("", "", "2", {"sender": "", "recipient_count": 1}),
    "permit_auth_destination": Case("", "mydestination", "alice@example.test", {"recipient": "alice@example.test"}),
    **dict.fromkeys(("reject_unauth_destination", "defer_unauth_destination"), Case("", DOMAINS, "x@spam.test")),
    "permit_mx_backup": Case("", "DNS", "spam.test"),
    "check_client_access": _access("spam.test"),
    "check_reverse_client_hostname_access": _access("192.0.2", reverse_client_name="other.test"),
    "check_helo_access": _access("spam.test"),
    "check_sender_access": _access("spam.test"),
    "check_recipient_access": _access("spam.test"),
    "check_etrn_access": _access("spam.test"),
    "check_sasl_access": _access("user"),
    "check_ccert_access": _access("AA:BB"),
    **{
        f"check_{whom}_{kind}_access": Case(TABLE, TABLE, "192.0.2")
        for whom in ("client", "reverse_client_hostname", "helo", "sender", "recipient")
        for kind in ("mx", "ns", "a")
    },
    "reject_rbl_client": LISTED_CLIENT,
    "reject_rbl": LISTED_CLIENT,
    "reject_maps_rbl": Case("", "bl.test", "9.2.0.192.bl.test"),
    "permit_dnswl_client": Case("bl.test", "bl.test", "9.2.0.192.bl.test", {"recipient": "alice@example.test"}),
    "permit_rhswl_client": Case("bl.test", "bl.test", "spam.test.bl.test", {"recipient": "alice@example.test"}),
    **dict.fromkeys([name for name in ROWS if name.startswith("reject_rhsbl_")], LISTED_NAME),
    **dict.fromkeys(
        [name for name in ROWS if name.endswith("_login_mismatch")], Case("", "inline:{a@spam.test=owner}", "a@spam.test")
    ),
    "reject_unauthenticated_sender_login_mismatch": Case("", "inline:{a@spam.test=owner}", "a@spam.test", {"sasl_username": ""}),
    "check_policy_service": Case("unix:/nowhere/at/all", "unix:/nowhere/at/all", "x@spam.test"),
    "check_greylist": Case("", "greylist", "192.0.2.0/a@spam.test/alice@example.test", {"recipient": "alice@example.test"}),
    "check_spf": Case("", "SPF", "spam.test"),
    "reject_unauth_pipelining": Case("", "", "spam.test[192.0.2.9]", {"unauth_pipelining": True}),
    "reject_plaintext_session": Case("", "", "spam.test[192.0.2.9]"),
    "permit_tls_all_clientcerts": Case("", "", "client.spam.test"),
    "permit_tls_clientcerts": Case("", "inline:{AA:BB=x}", "AA:BB"),
    "reject_unverified_sender": Case("", "address_verify_map", "a@spam.test"),
    "reject_unverified_recipient": Case("", "address_verify_map", "x@spam.test"),
}
LOCAL = "inline:{alice=x, bob=x, carol=x, postmaster=x, root=x}"


def told(directory: Path, main: str, facts: Mapping[str, Any], zone: str = ZONE) -> dict[str, Any]:
    """The JSON line of what the recipient's lists decide."""
    (directory / "main.cf").write_text(f"{COMMON}{MAIN}{main}\n")
    (directory / "master.cf").write_text("smtp inet n - n - - smtpd\n")
    world = World(directory, zone)
    for name, value in {**FACTS, **facts}.items():
        setattr(world.facts, name, value)
        if value == "unknown":
            setattr(world.facts, f"{name}_code", 5)
    verdict = asyncio.run(world.policy.check(Stage.RECIPIENT, world.facts))
    assert verdict.outcome is not None
    event = Judged("smtpd", "", "reject", "RCPT", world.facts.client, verdict.outcome.text, "", verdict.outcome.why)
    found: dict[str, Any] = json.loads(line(event, time=0.0, process="postfix/smtpd", pid=1))
    return found


def test_every_restriction_has_a_case() -> None:
    assert CASES.keys() == ROWS.keys()


@pytest.mark.parametrize("name", ROWS)
def test_the_log_tells_rule_table_and_key(name: str, tmp_path: Path) -> None:
    """Whatever it decides it stands in the trace; where it refuses, it is the reason of the reply too."""
    case = CASES[name]
    rule = f"{name} {case.argument}".rstrip()
    table = case.table.replace("{LOCAL}", LOCAL)
    lists = f"smtpd_relay_restrictions = {rule}\nsmtpd_recipient_restrictions = {POSTPONED.get(name, 'reject')}"
    record = told(tmp_path, lists, case.facts)
    step = next(step for step in record["trace"] if step["rule"] == rule)
    assert (step["table"], step["key"]) == (table, case.key)
    assert step["result"]
    assert record["reason"]
    decided = record["trace"][-1]["rule"] == rule
    if decided or name in ("defer_if_reject", *POSTPONED):
        assert (record["rule"], record["table"], record["key"]) == (rule, table, case.key)
    else:
        assert record["rule"] == "reject"
    refuses = name.startswith(("reject", "defer", "check"))
    assert refuses is (record["rule"] == rule)


def test_a_deferral_that_waited_tells_who_wanted_it(tmp_path: Path) -> None:
    access = "check_client_access inline:{{spam.test=DEFER_IF_PERMIT later}}"
    lists = f"smtpd_recipient_restrictions = {access}, check_helo_access {NOTABLE}, permit"
    record = told(tmp_path, f"{lists}\nsmtpd_relay_restrictions = permit_mynetworks, reject", {})
    assert record["rule"].startswith("check_client_access")
    assert record["key"] == "spam.test"
    assert [step["rule"].split()[0] for step in record["trace"]] == [
        "permit_mynetworks", "check_client_access", "check_helo_access", "permit",
    ]  # fmt: skip


def test_a_list_that_a_table_names_tells_table_and_key(tmp_path: Path) -> None:
    classes = "smtpd_restriction_classes = strict\nstrict = reject_plaintext_session\n"
    lists = "smtpd_recipient_restrictions = check_client_access inline:{{spam.test=strict}}, reject"
    record = told(tmp_path, classes + lists, {})
    assert (record["rule"], record["table"]) == ("reject_plaintext_session", "inline:{{spam.test=strict}}")
    assert [step["rule"].split()[0] for step in record["trace"]] == [
        "reject_plaintext_session", "strict", "check_client_access",
    ]  # fmt: skip


def test_an_implied_check_is_named_by_its_parameter(tmp_path: Path) -> None:
    record = told(tmp_path, "smtpd_recipient_restrictions = permit_mynetworks, reject", UNLISTED)
    assert (record["rule"], record["table"], record["key"]) == ("smtpd_reject_unlisted_recipient", LOCAL, "nobody@example.test")


def test_a_table_that_does_not_answer_is_named(tmp_path: Path) -> None:
    record = told(tmp_path, "smtpd_recipient_restrictions = check_client_access fail:gone, reject", {})
    assert (record["rule"], record["table"], record["key"]) == ("check_client_access fail:gone", "fail:gone", "spam.test")
    listed = told(tmp_path, "mynetworks = fail:gone\nsmtpd_recipient_restrictions = permit_mynetworks, reject", {})
    assert (listed["rule"], listed["table"]) == ("permit_mynetworks", "fail:gone")


@pytest.mark.parametrize(
    ("kind", "text", "line"),
    [
        ("cidr", "# networks\n10.0.0.0/8 OK\n\n192.0.2.0/24 REJECT no\n", 4),
        ("regexp", "/^10\\./ OK\nif /^192/\n/^192\\.0\\.2\\./\n  REJECT no\nendif\n", 3),
        ("pcre", "/^10\\./ OK\n!/^10\\./ REJECT $0 no\n/^/ REJECT no\n", 3),
        ("proxy:cidr", "192.0.2.9 REJECT no\n", 1),
        ("texthash", "10.0.0.1 OK\n192.0.2 REJECT no\n", 0),
    ],
)
def test_the_line_of_a_pattern_or_network_is_told(kind: str, text: str, line: int, tmp_path: Path) -> None:
    (tmp_path / "table").write_text(text)
    record = told(tmp_path, f"smtpd_recipient_restrictions = check_client_access {kind}:{tmp_path}/table, reject", NAMELESS)
    assert (record["table"], record["reason"], record.get("line", 0)) == (f"{kind}:{tmp_path}/table", "REJECT no", line)


def test_why_a_recipient_was_let_in(tmp_path: Path) -> None:
    """The last rule that had anything to say, after all that were asked."""
    steps = (Step("one", "dunno"), Step("two", "OK", "hash:t", "k"), Step("three", "DUNNO", "hash:u", "k"))
    assert let_in(steps) == Reason("two", "hash:t", "k", "OK", steps)
    assert let_in(steps[:1]) == Reason(reason="no rule refuses it", trace=steps[:1])
    assert len(let_in(steps * STEPS_LIMIT).trace) == STEPS_LIMIT


def test_a_record_is_short_however_long_lists_and_answers_are(tmp_path: Path) -> None:
    many = ", ".join(["check_client_access inline:{{spam.test=WARN " + "x" * 5000 + "}}"] * 100)
    record = told(tmp_path, f"smtpd_recipient_restrictions = {many}, reject", {})
    assert len(record["trace"]) == STEPS_LIMIT
    assert all(len(text) <= TEXT_LIMIT for step in record["trace"] for text in step.values())
