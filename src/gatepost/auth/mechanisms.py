"""Log-ins by our own mechanisms over a back end."""

import binascii
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping

from msgspec import structs

from gatepost.auth.port import Ask, Attempt, Checker, LoggedIn, NotLoggedIn, NotNow, Offered, Progress, ScramDecoys
from gatepost.proto.sasl.mechanisms import MECHANISMS, Mechanism, Setting
from gatepost.proto.sasl.port import Challenge, Failed, Reply, ServerExchange, Unavailable
from gatepost.proto.sasl.scram_keys import Decoys

NO_INITIAL_RESPONSE = "Unexpected initial response"


async def no_scram_keys() -> Mapping[str, Decoys]:
    """No back end keeps any."""
    return {}


class OwnMechanisms:
    """- `names`: mechanisms, in the order of their announcement; those that the back end has no answers for are left out;
    - `nonce`: makes texts that nobody guesses, each but once;
    - `decoys`: what SCRAM tells of users that there are not, by the digests of which all passwords have keys now.
    """

    def __init__(
        self, names: tuple[str, ...], checker: Checker, nonce: Callable[[], str], decoys: ScramDecoys = no_scram_keys
    ) -> None:
        known = (MECHANISMS[name] for name in names)
        self._mechanisms = {one.name: one for one in known if one.asks is None or one.asks in checker.answers}
        self._checker = checker
        self._nonce = nonce
        self._find_decoys = decoys
        self._decoys: dict[str, Decoys] = {}
        self._offered = tuple((one.digest, Offered(one.name, one.traits)) for one in self._mechanisms.values())

    async def offered(self) -> tuple[Offered, ...]:
        found = await self._find_decoys()
        self._decoys.update(found)
        return tuple([offered for digest, offered in self._offered if not digest or digest in found])

    def converse(self, attempt: Attempt) -> "OwnConversation":
        mechanism = self._mechanisms[attempt.mechanism]
        setting = Setting(self._nonce(), attempt.host, attempt.bindings, attempt.offers_bound, attempt.certified)
        if mechanism.digest:
            setting = structs.replace(setting, decoys=self._decoys[mechanism.digest])
        return OwnConversation(mechanism, mechanism.server(setting), self._checker, attempt)


class OwnConversation:
    """One exchange."""

    def __init__(self, mechanism: Mechanism, exchange: ServerExchange, checker: Checker, attempt: Attempt) -> None:
        self._mechanism = mechanism
        self._exchange = exchange
        self._checker = checker
        self._attempt = attempt

    async def start(self, initial: str | None) -> Progress:
        if initial is None:
            return await self._go_on(None)
        if not self._mechanism.takes_initial_response:
            return NotLoggedIn(NO_INITIAL_RESPONSE)
        response = b"" if initial == "=" else _decoded(initial)
        if response is None:
            return NotLoggedIn("Invalid base64 data in initial response")
        next(self._exchange)  # the challenge that it answers
        return await self._go_on(response)

    async def respond(self, response: str) -> Progress:
        octets = _decoded(response)
        return NotLoggedIn("Invalid base64 data in continued response") if octets is None else await self._go_on(octets)

    def close(self) -> None:
        self._exchange.close()

    async def _go_on(self, reply: Reply | None) -> Progress:
        """Questions are answered by the back end, until the client is asked or it is over. `reply`: None at the beginning."""
        while True:
            try:
                step = next(self._exchange) if reply is None else self._exchange.send(reply)
            except StopIteration as end:
                return LoggedIn(end.value.user)
            except Failed as failure:
                return NotLoggedIn(str(failure), failure.user)
            if isinstance(step, Challenge):
                return Ask(b64encode(step.octets).decode())
            answer = await self._checker.check(step, self._attempt)
            if isinstance(answer, Unavailable):
                return NotNow(answer.reason, user=step.user)
            reply = answer


def _decoded(text: str) -> bytes | None:
    """Octets of base64, None where it is none (RFC 4648 §4: no white space, padding to the end)."""
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError):  # ValueError: not ASCII
        return None
