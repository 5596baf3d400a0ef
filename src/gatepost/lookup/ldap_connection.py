"""A connection to an LDAP server: opened in a thread, since the library waits for names, handshakes and logins; then without
blocking, in the event loop. One search at a time.

Where referrals are to be followed the library connects to other servers in mid-search, so that then a thread waits for it.
"""

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable
from typing import Any, Final

from msgspec import Struct

from gatepost.lookup import libldap
from gatepost.lookup.blocking import BlockingCalls, Hangs
from gatepost.lookup.ldap_settings import Access
from gatepost.lookup.ldap_sockets import Sockets
from gatepost.lookup.libldap import Entry, LdapError, Library
from gatepost.net.stream_port import StreamFailure, Trouble, connect_failure

_AT_ONCE: Final = 50
"""Entries that are read before others have their turn."""

TROUBLES: Final = {
    libldap.SERVER_DOWN: Trouble.CLOSED,
    libldap.CONNECT_ERROR: Trouble.CONNECT,
    libldap.TIMEOUT: Trouble.TIMEOUT,
    libldap.TIMELIMIT_EXCEEDED: Trouble.TIMEOUT,
    **dict.fromkeys((libldap.BUSY, libldap.UNAVAILABLE, libldap.UNWILLING), Trouble.GARBAGE),
}
"""Codes that say that this server cannot answer, and another may."""

_SASL_USER, _SASL_NAME, _SASL_PASSWORD, _SASL_REALM = 0x4001, 0x4002, 0x4004, 0x4008


class Search(Struct, frozen=True):
    """`attributes`: the names to ask for;
    `seconds`: for the server to answer;
    `most`: entries, 0 for any number;
    `octets`: of all entries together."""

    base: str
    scope: int
    filter: str
    attributes: tuple[str, ...]
    seconds: int
    most: int
    octets: int


class Outcome(Struct, frozen=True):
    """How a search ended: `code` and `words` of its result, and the entries that came before."""

    code: int
    words: str
    entries: list[Entry]


class LdapConnection:
    """An open one. `sockets`: those of the handle; `calls`: threads, where referrals are followed."""

    def __init__(self, library: Library, handle: int, sockets: Sockets, calls: BlockingCalls | None) -> None:
        """To be made in the event loop. Raises OSError where no descriptor is left."""
        self.closed = False
        self._library, self._handle, self._sockets, self._calls = library, handle, sockets, calls
        self._number = 0
        self._search: Search | None = None
        self._entries: list[Entry] = []
        self._octets = 0
        self._outcome: asyncio.Future[Outcome] | None = None
        self._lock = threading.Lock()  # over `closed` and `_reading`, where threads read
        self._reading = False
        own = library.descriptor(handle)
        self._loop = asyncio.get_running_loop()
        self._watched = os.dup(own)  # the library may close its own at any time, and the number may then be somebody else's
        os.set_blocking(own, False)
        self._loop.add_reader(self._watched, self._ready)

    async def search(self, search: Search) -> Outcome:
        """The outcome, whatever the server says. Raises StreamFailure where it says nothing usable."""
        if self.closed:
            raise StreamFailure(Trouble.CLOSED)
        self._search, self._entries, self._octets = search, [], 0
        self._outcome = asyncio.get_running_loop().create_future()
        try:
            self._number = self._library.search(
                self._handle, search.base, search.scope, search.filter, _list(search.attributes), search.seconds, search.most
            )
            if self._calls is not None:
                return judged(await self._in_thread(self._calls, search))
        except LdapError as error:
            if error.code == libldap.FILTER_ERROR:
                return Outcome(error.code, error.words, [])
            raise failure(error, heard=False) from None
        return judged(await self._outcome)

    def close(self) -> None:
        """End it; who waits for an answer has none."""
        with self._lock:
            if self.closed:
                return
            self.closed = True
            if not self._reading:
                self._library.unbind(self._handle, None, None)
        self._loop.remove_reader(self._watched)
        os.close(self._watched)
        self._sockets.end()  # for a thread that reads
        self._end(StreamFailure(Trouble.CLOSED))

    def _end(self, outcome: Outcome | StreamFailure) -> None:
        waiting, self._outcome = self._outcome, None
        if waiting is None or waiting.done():
            return
        if isinstance(outcome, Outcome):
            waiting.set_result(outcome)
        else:
            waiting.set_exception(outcome)

    def _ready(self) -> None:
        """Something has come: of the search under way, else it is the end of the connection."""
        if self._outcome is None:
            self.close()
            return
        try:
            for _ in range(_AT_ONCE):
                came = self._library.next(self._handle, self._number)
                if came is None:
                    return
                if self._take(*came):
                    return
            self._loop.call_soon(self._again)  # what the library has read already will not be told of by the system
        except (LdapError, StreamFailure) as error:
            told = error if isinstance(error, StreamFailure) else failure(error, heard=bool(self._entries))
            self._end(told)
            self.close()

    def _again(self) -> None:
        if self._outcome is not None:
            self._ready()

    def _take(self, kind: int, message: int) -> bool:
        """Keep what has come; whether it was the end. Raises LdapError, StreamFailure."""
        if kind == libldap.RESULT:
            self._end(Outcome(*self._library.outcome(self._handle, message), self._entries))
            return True
        if kind == libldap.ENTRY:
            self._keep(self._library.entry(self._handle, message))
        else:  # a reference to another server, which Postfix passes over as well
            self._library.free_message(message)
        return False

    def _keep(self, entry: Entry) -> None:
        assert self._search is not None
        self._entries.append(entry)
        self._octets += weight(entry)
        if self._octets > self._search.octets:
            raise StreamFailure(Trouble.OVERLONG, heard=True)

    async def _in_thread(self, calls: BlockingCalls, search: Search) -> Outcome:
        """The same with a thread that waits: the library connects to other servers meanwhile."""
        self._loop.remove_reader(self._watched)
        try:
            outcome = await calls.run(object(), lambda: self._read(search.seconds))
        except Hangs as hangs:
            raise StreamFailure(Trouble.TIMEOUT, hangs.why) from None
        self._outcome = None
        self._loop.add_reader(self._watched, self._ready)
        return outcome

    def _read(self, seconds: int) -> Outcome:
        """What comes, in a thread; who closes the connection meanwhile leaves its end to it."""
        with self._lock:
            if self.closed:
                raise StreamFailure(Trouble.CLOSED)
            self._reading = True
        try:
            while True:
                kind, message = self._library.next(self._handle, self._number, wait=seconds) or (0, 0)
                if not message:
                    raise StreamFailure(Trouble.TIMEOUT)
                if kind == libldap.RESULT:
                    return Outcome(*self._library.outcome(self._handle, message), self._entries)
                self._take(kind, message)
        finally:
            with self._lock:
                self._reading = False
                if self.closed:
                    self._library.unbind(self._handle, None, None)


def weight(entry: Entry) -> int:
    """Octets that an entry takes, about: also one of which nearly nothing is said."""
    return _SHARE + len(entry.dn) + sum(_SHARE + len(name) + sum(map(len, values)) for name, values in entry.attributes)


_SHARE: Final = 32

_lists: dict[tuple[str, ...], Any] = {}


def _list(names: tuple[str, ...]) -> Any:
    """The names in C's form, made once: few searches ask for others."""
    found = _lists.get(names)
    if found is None:
        if len(_lists) >= 100:
            _lists.clear()
        found = _lists[names] = libldap.attribute_list(names)
    return found


def failure(error: LdapError, *, heard: bool) -> StreamFailure:
    """What an error of the library says of the server."""
    return StreamFailure(TROUBLES.get(error.code, Trouble.GARBAGE), error.words, heard=heard)


def judged(outcome: Outcome) -> Outcome:
    """The outcome, unless it is the server's way to say that it cannot answer. Raises StreamFailure."""
    trouble = TROUBLES.get(outcome.code)
    if trouble is not None:
        raise StreamFailure(trouble, outcome.words, heard=True)
    return outcome


class OpeningConnection:
    """One connection being opened in a thread. Where nobody waits for it any more, its sockets are ended, which frees the thread,
    and it is closed there."""

    def __init__(self, library: Library, url: str, access: Access, octets: int) -> None:
        self.sockets = Sockets(library, octets)
        self._library, self._url, self._access = library, url, access
        self._lock = threading.Lock()
        self._abandoned = False
        self._handle: int | None = None

    def run(self) -> int:
        """The handle, logged in. Raises LdapError."""
        if self._abandoned:  # while it waited for a thread, which others wait for
            raise LdapError(libldap.TIMEOUT, self._library.words(libldap.TIMEOUT))
        handle = self._library.initialize(self._url)
        try:
            self.sockets.watch(handle)
            _set_options(self._library, handle, self._access)
            self._library.connect(handle)
            if self._access.tls.start:
                self._library.start_tls(handle)
            _log_in(self._library, handle, self._access)
        except BaseException:
            self._library.unbind(handle, None, None)
            raise
        with self._lock:
            if self._abandoned:
                self._library.unbind(handle, None, None)
            self._handle = handle
        return handle

    def abandon(self) -> None:
        self.sockets.end()
        with self._lock:
            self._abandoned = True
            if self._handle is not None:
                self._library.unbind(self._handle, None, None)


def connector(library: Library, url: str, access: Access, octets: int) -> Callable[[], Awaitable[LdapConnection]]:
    """What opens connections to a server. A server that hangs keeps its own threads only, and those no longer than the time limit
    of a step. `octets`: the most of one message."""
    calls = BlockingCalls(_THREADS, access.timeout)

    async def connect() -> LdapConnection:
        opening = OpeningConnection(library, url, access, octets)
        try:
            handle = await calls.run(opening, opening.run)
            return LdapConnection(library, handle, opening.sockets, calls if access.referrals else None)
        except LdapError as error:
            trouble = TROUBLES.get(error.code, Trouble.GARBAGE)
            raise StreamFailure(Trouble.CONNECT if trouble is Trouble.CLOSED else trouble, error.words) from None
        except Hangs as hangs:
            opening.abandon()
            raise StreamFailure(Trouble.CONNECT, hangs.why) from None
        except OSError as error:
            opening.abandon()
            raise connect_failure(error) from None
        except BaseException:
            opening.abandon()
            raise

    return connect


_THREADS: Final = 4


def _set_options(library: Library, handle: int, access: Access) -> None:
    if access.debug_level:
        library.set_number(None, libldap.OPT_DEBUG_LEVEL, access.debug_level)
    library.set_number(handle, libldap.OPT_PROTOCOL_VERSION, access.version)
    library.set_seconds(handle, libldap.OPT_NETWORK_TIMEOUT, access.timeout)
    library.set_seconds(handle, libldap.OPT_TIMEOUT, access.timeout)
    library.set_number(handle, libldap.OPT_DEREF, access.dereference)
    library.set_flag(handle, libldap.OPT_REFERRALS, access.referrals)
    library.set_flag(handle, libldap.OPT_RESTART, True)
    tls = access.tls
    for option, text in (
        (libldap.OPT_TLS_CACERTFILE, tls.ca_file),
        (libldap.OPT_TLS_CACERTDIR, "" if tls.ca_file else tls.ca_directory),
        (libldap.OPT_TLS_CERTFILE, tls.certificate),
        (libldap.OPT_TLS_KEYFILE, tls.key),
        (libldap.OPT_TLS_RANDOM_FILE, tls.random_file),
        (libldap.OPT_TLS_CIPHER_SUITE, tls.ciphers),
    ):
        if text:
            library.set_text(handle, option, text)
    library.set_number(handle, libldap.OPT_TLS_REQUIRE_CERT, libldap.TLS_DEMAND if tls.verify else libldap.TLS_NEVER)
    library.set_number(handle, libldap.OPT_TLS_NEWCTX, 0)


def _log_in(library: Library, handle: int, access: Access) -> None:
    if access.bind == "simple":
        library.bind(handle, access.dn, access.password)
    elif access.bind == "sasl":
        if access.sasl.strength:
            library.set_text(handle, libldap.OPT_SASL_SECPROPS, f"minssf={access.sasl.strength}")
        answers = {
            _SASL_USER: access.sasl.authorization,
            _SASL_NAME: access.dn,
            _SASL_PASSWORD: access.password,
            _SASL_REALM: access.sasl.realm,
        }
        library.sasl_bind(handle, access.dn, access.sasl.mechanisms, answers)
