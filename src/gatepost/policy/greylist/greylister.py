"""Asks the lists and the shared state about an attempt, has it judged, and stores what is to be known (decision 0026).

Failure: StateUnavailable, whose line the store has in the log; then greylist_default_action holds. Two workers that are asked
about one triplet at a time judge one after the other.
"""

import hashlib
from collections.abc import Callable
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from gatepost.policy.greylist import texts
from gatepost.policy.greylist.attempt import Attempt, Keys, client_address, keys, normal_sender
from gatepost.policy.greylist.judge import Ground, Judgement, client_expires, expires, judge
from gatepost.policy.greylist.records import CLIENTS, TRIPLETS, Client, Triplet, decode, encode
from gatepost.policy.greylist.settings import GreylistSettings
from gatepost.policy.greylist.whitelist_files import Whitelists
from gatepost.state.port import ABSENT, Entry, Space, StateStore, StateUnavailable

_TRIES: Final = 20
_DIGEST: Final = 8  # octets: it only groups what the report counts


class Greylisted(Struct, frozen=True):
    """What greylisting found: a fact of the message.

    - `key`: under which the attempt is known, as text;
    - `ground`: why it was let in or put off;
    - `left`: seconds until it would be let in, 0: it is; `waited`: those that it had to wait, where this is its first success;
    - `action`: of access(5), empty for none; `header`: to be prepended, empty for none.
    """

    key: str
    ground: Ground
    left: int = 0
    waited: int = 0
    action: str = ""
    header: str = ""


class Greylister:
    """The greylisting of one service. `clock`: seconds since 1970."""

    def __init__(self, settings: GreylistSettings, store: StateStore, whitelists: Whitelists, clock: Callable[[], float]) -> None:
        self.settings = settings
        self._store = store
        self._whitelists = whitelists
        self._clock = clock

    async def ask(self, attempt: Attempt) -> Greylisted:
        """What becomes of an attempt. Raises StateUnavailable."""
        address = client_address(attempt.client_address)
        if address is None:
            return Greylisted(attempt.client_address[:80], Ground.NO_ADDRESS)
        clients, recipients = await self._whitelists.current()
        if await clients.lists(attempt.client_name, address):
            return Greylisted(attempt.client_name, Ground.LISTED_CLIENT)
        if await recipients.lists(attempt.recipient):
            return Greylisted(attempt.recipient, Ground.LISTED_RECIPIENT)
        known = keys(attempt, address, self.settings)
        judgement = await self._judged(known, attempt)
        if judgement.ground is Ground.CLIENT:
            return Greylisted(_text(known.client), judgement.ground)
        return self._told(_text(known.triplet), judgement, attempt)

    def _told(self, key: str, judgement: Judgement, attempt: Attempt) -> Greylisted:
        settings, left, waited = self.settings, judgement.left, judgement.waited
        if left:
            action = texts.put_off(settings, left, attempt.recipient)
            return Greylisted(key, judgement.ground, left=left, action=action)
        header = texts.header(settings, waited, self._clock()) if waited else ""
        return Greylisted(key, judgement.ground, waited=waited, header=header)

    async def _judged(self, known: Keys, attempt: Attempt) -> Judgement:
        """The judgement, of which all is stored that is to be known."""
        for _ in range(_TRIES):
            entries = [await self._store.get(TRIPLETS, known.triplet), await self._store.get(CLIENTS, known.client)]
            triplet, client = decode(entries[0], Triplet), decode(entries[1], Client)
            if triplet is None and known.network:
                triplet = decode(await self._store.get(TRIPLETS, known.network), Triplet)
            judgement = judge(self.settings, triplet, client, int(self._clock()))
            if await self._store_triplet(known, entries[0], judgement, attempt):
                await self._store_client(known, entries[1], judgement)
                return judgement
        raise StateUnavailable(f"greylist: {_TRIES} changes of a triplet by others were first")

    async def _store_triplet(self, known: Keys, entry: Entry | None, judgement: Judgement, attempt: Attempt) -> bool:
        triplet = judgement.triplet
        if triplet is None:
            return True
        if attempt.domain and not triplet.identity:
            triplet = replace(triplet, identity=_identity(attempt))
        return await self._store_record(TRIPLETS, known.triplet, entry, encode(triplet), expires(self.settings, triplet))

    async def _store_client(self, known: Keys, entry: Entry | None, judgement: Judgement) -> None:
        """Where others were first, they have counted this hour."""
        client = judgement.client
        if client is not None:
            await self._store_record(CLIENTS, known.client, entry, encode(client), client_expires(self.settings, client))

    async def _store_record(self, space: Space, key: bytes, entry: Entry | None, value: bytes, until: float) -> bool:
        revision = ABSENT if entry is None else entry.revision
        return await self._store.compare_and_set(space, key, value, revision, until) is not None


def _identity(attempt: Attempt) -> bytes:
    text = f"{attempt.domain}/{normal_sender(attempt.sender)}/{attempt.recipient}".lower()
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=_DIGEST, usedforsecurity=False).digest()


def _text(key: bytes) -> str:
    return key.decode("utf-8", "surrogateescape")
