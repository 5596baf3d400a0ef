"""Which passwords were right, and which wrong, a short while ago: so that a back end, or a costly hash, is not asked each time.

In memory only, and under a key that is made at start and known to nobody else: what is remembered is a digest of the password, by
which nothing can be tried elsewhere.
"""

import hashlib
import os
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

_KEY: Final = 32
_DIGEST: Final = 32


class LoginCache:
    """`lifetime`, `negative_lifetime`: seconds that a right and a wrong password are remembered; `most`: so many of them, the
    oldest of which goes. `clock`: seconds of any start, which do not go back; `random`: gives so many octets."""

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        lifetime: float,
        negative_lifetime: float,
        most: int,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._clock = clock
        self._lifetimes = {True: lifetime, False: negative_lifetime}
        self._most = most
        self._key = random(_KEY)
        self._known: OrderedDict[bytes, tuple[bool, float]] = OrderedDict()

    def find(self, realm: str, login: str, password: str) -> bool | None:
        """Whether the password was right when it was last tried; None where that is not known. `realm`: whatever else the answer
        depends on, such as the service and its back end."""
        digest = self._digest(realm, login, password)
        right, expires = self._known.get(digest, (False, 0.0))
        if expires > self._clock():
            return right
        self._known.pop(digest, None)
        return None

    def remember(self, realm: str, login: str, password: str, *, right: bool) -> None:
        """The back end has answered. To be called for answers only, and not where it could not be asked."""
        lifetime = self._lifetimes[right]
        if lifetime <= 0:
            return
        digest = self._digest(realm, login, password)
        self._known[digest] = right, self._clock() + lifetime
        self._known.move_to_end(digest)
        while len(self._known) > self._most:
            self._known.popitem(last=False)

    def __len__(self) -> int:
        return len(self._known)

    def __repr__(self) -> str:
        return f"LoginCache({len(self)})"

    def _digest(self, *parts: str) -> bytes:
        octets = [part.encode("utf-8", "surrogatepass") for part in parts]
        told = b"".join(len(part).to_bytes(8, "big") + part for part in octets)  # no two logins look alike
        return hashlib.blake2b(told, key=self._key, digest_size=_DIGEST).digest()
