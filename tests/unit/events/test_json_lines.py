"""The JSON log: one object a line, with what decided as fields."""

import json
from ipaddress import IPv4Address
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from gatepost.events.json_lines import line
from gatepost.events.records import Delivered, Event, Judged, Removed
from gatepost.mail.reason import STEPS_LIMIT, TEXT_LIMIT, Reason, Step, because

_ANY = st.text(st.characters())  # surrogates of every kind among them


def told(event: Event) -> dict[str, Any]:
    written = line(event, time=1.5, process=f"postfix/{event.service}", pid=7)
    assert written.endswith("\n")
    found: dict[str, Any] = json.loads(written)
    return found


def test_what_decided_stands_in_the_line_as_fields() -> None:
    why = Reason("check_client_access hash:/a", "hash:/a", "192.0.2", "REJECT", (Step("permit_mynetworks", "dunno"),))
    assert told(Judged("smtpd", "", "reject", "RCPT", "c[192.0.2.1]", "554 no", "from=<>", why)) == {
        "time": 1.5, "process": "postfix/smtpd", "pid": 7, "type": "Judged", "service": "smtpd", "queue_id": "", "action": "reject",
        "where": "RCPT", "client": "c[192.0.2.1]", "text": "554 no", "context": "from=<>",
        "rule": "check_client_access hash:/a", "table": "hash:/a", "key": "192.0.2", "reason": "REJECT",
        "trace": [{"rule": "permit_mynetworks", "result": "dunno", "table": "", "key": ""}],
    }  # fmt: skip


def test_a_decision_without_a_reason_has_the_fields_all_the_same_and_other_records_do_not() -> None:
    sent = told(Delivered("smtp", "Q", "a@b.test", "", "none", 0.0, (0.0, 0.0, 0.0, 0.0), "2.0.0", "sent", "ok"))
    assert {sent[name] for name in ("rule", "table", "key", "reason")} == {""}
    assert "trace" not in sent
    assert told(Removed("qmgr", "Q")) == {
        "time": 1.5, "process": "postfix/qmgr", "pid": 7, "type": "Removed", "service": "qmgr", "queue_id": "Q",
    }  # fmt: skip


class Spf(Struct, frozen=True):
    domain: str
    address: IPv4Address


def test_what_was_found_out_stands_in_the_line_as_objects() -> None:
    facts = tuple(Spf(f"{number}.test", IPv4Address("192.0.2.1")) for number in range(100))
    found = told(Judged("smtpd", "", "reject", "RCPT", "c", "554 no", found=facts))["found"]
    assert found == [{"type": "Spf", "domain": f"{number}.test", "address": "192.0.2.1"} for number in range(36, 100)]


@given(_ANY, _ANY)
def test_whatever_a_stranger_says_it_stays_one_line_of_json(one: str, two: str) -> None:
    event = Judged("smtpd", one, two, one, two, one, two, Reason(one, two, one, two, (Step(one, two),)))
    assert line(event, time=0.0, process=one, pid=1).count("\n") == 1
    assert told(event)["type"] == "Judged"


@given(st.text(min_size=TEXT_LIMIT))
def test_a_reason_is_short_whatever_a_table_answers(text: str) -> None:
    why = because(text, text, text, text)
    assert all(len(field) <= TEXT_LIMIT for field in (why.rule, why.table, why.key, why.reason))
    assert STEPS_LIMIT * TEXT_LIMIT * 4 < 1 << 16  # of a whole trace
