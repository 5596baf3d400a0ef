"""The brake for stolen passwords as a gate: at the end of each message of somebody who has logged in (decision 0041)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from gatepost.admission.port import NOTHING_FOUND, FailureAction, Finding, ProtocolStage, Severity, Stateless, View
from gatepost.lookup.port import LookupFailure
from gatepost.mail.reason import because
from gatepost.policy.brake.account import HELD_BY
from gatepost.policy.brake.brake import Brake
from gatepost.policy.port import Action
from gatepost.state.port import StateUnavailable

_NAME: Final = "submission"
_TIME_LIMIT: Final = 10.0  # seconds: others of the login have their turn, and each change of the store may take 4


class BrakeGate(Stateless):
    """`exempt`: whether a login is not counted; raises LookupFailure. `blocked`: is told (login, why) when a burst begins, and does
    not wait."""

    name = _NAME
    stages = frozenset({ProtocolStage.END_OF_MESSAGE})
    time_limit = None  # it has one of its own, after which what is held can be told from what others hold

    def __init__(
        self,
        brake: Brake,
        exempt: Callable[[str], Awaitable[bool]],
        blocked: Callable[[str, str], object],
        on_failure: FailureAction,
    ) -> None:
        self._brake = brake
        self._exempt = exempt
        self._blocked = blocked
        self.on_failure = on_failure

    async def look(self, stage: ProtocolStage, view: View) -> Finding:
        """What the limits say of a message. One that others hold already is not ours to release."""
        login, draft = view.facts.sasl_username, view.draft
        if not login or draft is None:
            return NOTHING_FOUND
        try:
            if await self._exempt(login):
                return NOTHING_FOUND
            recipients = [recipient.address for recipient in draft.given.recipients]
            async with asyncio.timeout(_TIME_LIMIT):
                judgement = await self._brake.ask(login, view.facts.client_address, recipients)
        except TimeoutError:
            return self._failed(f"no answer within {_TIME_LIMIT:g} s")
        except (StateUnavailable, LookupFailure) as error:
            return self._failed(str(error))
        if judgement.begins:
            self._blocked(login, judgement.why)
        if judgement.held:
            return Finding(_NAME, Severity.HOLD) if draft.envelope.hold else held(login, judgement.why)
        if not judgement.why:
            return NOTHING_FOUND
        why = because(_NAME, key=login, reason=judgement.why)
        told = Action("warn", f"mail of {login} would be held: {judgement.why}", why=why)
        return Finding(_NAME, actions=(told,))

    def _failed(self, reason: str) -> Finding:
        """The finding where nothing can be counted."""
        if self.on_failure is not FailureAction.HOLD:
            return self.on_failure.finding(_NAME, reason)
        return held("", f"nothing can be counted: {reason}")


def held(login: str, why: str) -> Finding:
    """A message that is kept until somebody releases it: why is written into its envelope."""
    text = f"mail of {login} is held: {why}" if login else why
    reason = because(_NAME, key=login, reason=why)
    return Finding(_NAME, Severity.QUARANTINE, reason=f"{HELD_BY}{why}", why=reason, text=text)
