"""*_delivery_status_filter: what is replaced, and what is refused."""

import asyncio

import pytest

from gatepost.deliver.status_filter import FilteredAgent
from gatepost.lookup.registry import Tables
from gatepost.mail.content import MemoryContent
from gatepost.mail.delivery import DeliveryRequest, Report
from gatepost.mail.envelope import Envelope, Recipient
from gatepost.mail.outcome import Class, Outcome, bounced, deferred, sent
from gatepost.mail.queue_id import QueueId
from gatepost.mail.queued import ActiveMessage, QueuedRecipient

TO = QueuedRecipient(0, Recipient("a@b.test"))
REQUEST = DeliveryRequest(
    ActiveMessage(QueueId(1_800_000_000_000_000, 1), Envelope("s@a.test"), MemoryContent(b""), 0, (TO,)), (TO,), "smtp", "b.test"
)


class Fixed:
    """An agent with one answer."""

    def __init__(self, report: Report) -> None:
        self.report = report

    async def deliver(self, request: DeliveryRequest) -> list[Report]:
        return [self.report]

    async def close(self) -> None: ...


def filtered(report: Report, rules: str) -> tuple[Report, list[str]]:
    log: list[str] = []
    maps = Tables(log.append).maps(f"regexp:{{ {rules} }}", "smtp_delivery_status_filter")
    (found,) = asyncio.run(FilteredAgent(Fixed(report), maps, log.append).deliver(REQUEST))
    return found, log


@pytest.mark.parametrize(
    ("before", "rule", "after"),
    [
        (deferred("no certificate", "4.7.5"), "{/^4(\\.7\\.5 .*)/ 5$1}", bounced("no certificate", "5.7.5")),
        (sent("250 ok"), "{/./ 2.1.0 taken}", sent("taken", "2.1.0")),
        (sent("250 ok"), "{/^5/ 5.0.0 x}", sent("250 ok")),
    ],
)
def test_replaced(before: Outcome, rule: str, after: Outcome) -> None:
    assert filtered(Report(TO, before), rule) == (Report(TO, after), [])


@pytest.mark.parametrize("value", ["5.0.0 no", "3.0.0 text", "2.0.0", "nonsense"])
def test_refused(value: str) -> None:
    found, log = filtered(Report(TO, sent("250 ok")), f"{{/./ {value}}}")
    assert found.outcome == sent("250 ok")
    assert len(log) == 1
    assert log[0].startswith("smtp_delivery_status_filter: ")
    assert log[0].endswith(value)


def test_what_a_recipient_was_expanded_into() -> None:
    parts = (Report(TO, sent("stored")), Report(TO, deferred("busy", "4.3.0")))
    found, _ = filtered(Report(TO, parts[1].outcome, parts=parts), "{/busy/ 5.3.0 gone}")
    assert found.parts is not None
    assert [part.outcome.text for part in found.parts] == ["stored", "gone"]
    assert (found.outcome.cls, found.outcome.text) == (Class.PERMANENT, "gone")
