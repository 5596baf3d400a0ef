"""The brake as a gate: what it finds, and what it does where nothing can be counted."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.support.settings import default

from gatepost.admission import brake_gate
from gatepost.admission.brake_gate import BrakeGate
from gatepost.admission.port import NOTHING_FOUND, FailureAction, Finding, ProtocolStage, ReadableDraft, Severity, View
from gatepost.lookup.port import LookupFailure
from gatepost.mail.envelope import Envelope, Recipient
from gatepost.policy.brake.brake import Brake
from gatepost.policy.brake.settings import BrakeSettings
from gatepost.policy.port import Facts
from gatepost.state.local_store import LocalStateStore
from gatepost.state.port import Entry, Space, StateUnavailable


class Stuck(LocalStateStore):
    async def get(self, space: Space, key: bytes) -> Entry | None:
        await asyncio.Event().wait()
        return None


class Broken(LocalStateStore):
    async def get(self, space: Space, key: bytes) -> Entry | None:
        raise StateUnavailable("no space left on device")


def looked(
    number: int,
    login: str = "anna",
    *,
    exempt: bool | Exception = False,
    broken: bool = False,
    stuck: bool = False,
    envelope: Envelope | None = None,
    failing: str = "accept",
    **limits: Any,
) -> tuple[list[Finding], list[str]]:
    """What the gate finds of so many messages of one recipient, and the logins that were blocked."""
    blocked: list[str] = []
    settings = default(BrakeSettings, **{f"submission_{name}": value for name, value in limits.items()})
    store = (Stuck if stuck else Broken if broken else LocalStateStore)(lambda: 1e9)

    async def is_exempt(name: str) -> bool:
        if isinstance(exempt, Exception):
            raise exempt
        return exempt

    gate = BrakeGate(Brake(settings, store, lambda: 1e9), is_exempt, lambda name, why: blocked.append(name), FailureAction(failing))
    view = View(Facts())
    view.facts.sasl_username = login
    given = Envelope("a@example.com", (Recipient("b@example.net"),))
    view.draft = cast(ReadableDraft, SimpleNamespace(given=given, envelope=given if envelope is None else envelope))

    async def play() -> list[Finding]:
        return [await gate.look(ProtocolStage.END_OF_MESSAGE, view) for _ in range(number)]

    return asyncio.run(play()), blocked


def test_a_burst_is_held_and_told_once() -> None:
    found, blocked = looked(4, message_hour_limit=2)
    assert [one.severity for one in found] == [Severity.PASS, Severity.PASS, Severity.QUARANTINE, Severity.QUARANTINE]
    why = "3 messages in an hour, submission_message_hour_limit is 2"
    assert (found[2].reason, found[2].text) == (f"submission: {why}", f"mail of anna is held: {why}")
    assert blocked == ["anna"]


def test_what_others_hold_is_left_to_them() -> None:
    found, _ = looked(2, message_hour_limit=1, envelope=Envelope("", hold=True))
    assert [(one.severity, one.reason) for one in found] == [(Severity.PASS, ""), (Severity.HOLD, "")]


def test_a_dry_run_only_tells() -> None:
    found, blocked = looked(2, message_hour_limit=1, limit_action="warn")
    assert [one.severity for one in found] == [Severity.PASS, Severity.PASS]
    [told] = found[1].actions
    assert told.kind == "warn"
    assert told.value.startswith("mail of anna would be held: 2 messages in an hour")
    assert blocked == []


def test_nobody_is_asked_about_mail_without_a_login_or_of_an_exception() -> None:
    assert looked(3, "", message_hour_limit=1, broken=True)[0] == [NOTHING_FOUND] * 3
    assert looked(3, exempt=True, message_hour_limit=1, broken=True)[0] == [NOTHING_FOUND] * 3


@pytest.mark.parametrize("trouble", [{"broken": True}, {"exempt": LookupFailure("hash:x", "gone")}], ids=["store", "exceptions"])
@pytest.mark.parametrize(
    ("action", "severity"), [("accept", Severity.PASS), ("hold", Severity.QUARANTINE), ("tempfail", Severity.DEFER)]
)
def test_where_nothing_can_be_counted_the_parameter_says_what_happens(trouble: Any, action: str, severity: Severity) -> None:
    [found], blocked = looked(1, message_hour_limit=1, failing=action, **trouble)
    assert found.severity is severity
    told = [*(one.value for one in found.actions), found.text]
    assert any("no space left" in text or "gone" in text for text in told)
    assert blocked == []
    if action == "hold":
        assert found.reason.startswith("submission: "), "what is held so is released as all else is"


def test_a_store_that_does_not_answer_holds_up_nobody_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brake_gate, "_TIME_LIMIT", 0.01)
    [found], _ = looked(1, message_hour_limit=1, failing="hold", stuck=True)
    assert found.reason == "submission: nothing can be counted: no answer within 0.01 s"
