"""DNS for SPF evaluations, from a table: name -> records, as the public suites write them.

A record is `{type: data}`; `TIMEOUT` in its place lets every question fail that nothing before it has answered. What the suites
write as type SPF is TXT, unless the name has TXT records of its own.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from gatepost.identity.spf.evaluation import check_host
from gatepost.identity.spf.port import Answer, Case, Plan, Question, Verdict

_CHAIN = 10


class Zone:
    """`asked`: every question so far."""

    def __init__(self, records: Mapping[str, Sequence[Any]]) -> None:
        self._records = {name.lower(): _as_txt(entries) for name, entries in records.items()}
        self.asked: list[Question] = []

    def answer(self, question: Question) -> Answer:
        self.asked.append(question)
        name = question.name
        if question.record == "PTR":
            import ipaddress

            name = ipaddress.ip_address(name).reverse_pointer
        return self._find(name.lower(), question.record, _CHAIN)

    def _find(self, name: str, record: str, links: int) -> Answer:
        values: list[tuple[int, str]] = []
        for entry in self._records.get(name, ()):
            if entry == "TIMEOUT":
                if not values:
                    return Answer(failed=True)
                continue
            [(kind, data)] = entry.items()
            if kind == record:
                values.append(_value(kind, data))
            elif kind == "CNAME" and data:
                return self._find(data.rstrip(".").lower(), record, links - 1) if links else Answer(failed=True)
        return Answer(tuple(value for _, value in sorted(values, key=lambda pair: pair[0])))


def _as_txt(entries: Sequence[Any]) -> list[Any]:
    own = any(isinstance(entry, dict) and "TXT" in entry for entry in entries)
    found: list[Any] = []
    for entry in entries:
        if isinstance(entry, dict) and "SPF" in entry:
            if not own:
                found.append({"TXT": entry["SPF"]})
        elif entry != {"TXT": "NONE"}:
            found.append(entry)
    return found


def _value(kind: str, data: Any) -> tuple[int, str]:
    """(order, value)."""
    if kind == "MX":
        return data[0], data[1].rstrip(".")
    if kind == "TXT":  # the octets of a record are written as characters
        text = "".join(data) if isinstance(data, list) else data
        return 0, text.encode("latin-1").decode("utf-8", "surrogateescape")
    return 0, data.rstrip(".")


def run(plan: Plan, zone: Zone) -> Verdict:
    """Lead a plan to its end."""
    try:
        questions = next(plan)
        while True:
            questions = plan.send(tuple(zone.answer(question) for question in questions))
    except StopIteration as end:
        verdict: Verdict = end.value
        return verdict


def evaluate(records: Mapping[str, Sequence[Any]], sender: str, address: str = "192.0.2.1", **more: Any) -> Verdict:
    """The verdict on MAIL FROM `sender`."""
    case = Case(**{"address": address, "domain": sender.rpartition("@")[2], "sender": sender, "helo": "mx.example.net", **more})
    return run(check_host(case), Zone(records))
