"""acme: the process that asks the authority and answers its challenges, as mail_owner and behind walls.

What root alone can read is read before the rights go; what root alone can do afterwards, the keeper does (keeper.py). A reload has
it end what is under way, and begin nothing more.
"""

import asyncio
import base64
import contextlib
import functools
import importlib
import os
import signal
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import Struct, structs

from gatepost.acme import certificate
from gatepost.acme.answers import MOST_OCTETS
from gatepost.acme.issue import issue
from gatepost.acme.jws import AccountKey
from gatepost.acme.port import AcmeFailure, Proof
from gatepost.acme.responder import responding
from gatepost.acme.session import Binding, Session
from gatepost.events.records import Note
from gatepost.lookup.server_access import system_network
from gatepost.net.https import FetchFailure, fetch, trusting
from gatepost.net.stream_client import Network
from gatepost.proto.http import Request, Response
from gatepost.service.acme import folder, keeper
from gatepost.service.acme.control import serve_requests
from gatepost.service.acme.keeper import Keeper
from gatepost.service.acme.renewals import Outcome, Renewals, Wanted
from gatepost.service.acme.settings import AcmeSettings, addresses, wrong
from gatepost.service.background import lasting
from gatepost.service.first_of import first_of
from gatepost.service.inheritance import Inheritance, Life
from gatepost.service.master.directories import ACME, UnsafeDirectory, own_folder
from gatepost.service.master.listeners import BindFailure
from gatepost.service.walls import walls

if TYPE_CHECKING:
    import ssl

_SECONDS: Final = 60.0  # for one request to the authority
_LAZY: Final = (
    "cryptography.exceptions", "cryptography.x509", "cryptography.hazmat.primitives.asymmetric.ec",
    "cryptography.hazmat.primitives.asymmetric.rsa", "cryptography.hazmat.primitives.asymmetric.utils",
    "cryptography.hazmat.primitives.hashes", "cryptography.hazmat.primitives.serialization", "email.utils", "h11", "ssl",
)  # fmt: skip
"""What is imported when it is used: Python may live where mail_owner cannot read."""


class _Ready(Struct, frozen=True):
    """What was read with the rights of the supervisor."""

    settings: AcmeSettings
    domains: tuple[str, ...]
    kept: folder.Kept
    context: "ssl.SSLContext"
    binding: Binding | None
    keeper: Keeper


def prepare(inheritance: Inheritance) -> Life:
    """A Body. What is wrong with ACME keeps no mail from being served: the log says it, and the process waits for a reload."""
    for module in _LAZY:
        importlib.import_module(module)
    try:
        ready: _Ready | Outcome = _prepare(inheritance)
    except (AcmeFailure, BindFailure, OSError, UnsafeDirectory, UnicodeError) as error:
        ready = Outcome(False, f"no certificates by ACME: {error}; correct it, and reload")
        inheritance.log.emit(Note("acme", ready.text, "error"))
        inheritance.log.flush()
    return functools.partial(_run, inheritance, ready, frozenset((0, os.geteuid())))


def _prepare(inheritance: Inheritance) -> _Ready:
    configuration = inheritance.configuration
    settings = configuration.view(AcmeSettings)
    if faults := [str(fault) for fault in wrong(configuration)]:
        raise AcmeFailure("; ".join(faults))
    try:
        context = trusting(settings.acme_directory_ca_file)
    except OSError as error:
        raise AcmeFailure(f"acme_directory_ca_file: {settings.acme_directory_ca_file}: {error.strerror or error}") from error
    queue = Path(settings.queue_directory)
    where = addresses(configuration)
    kept, binding = folder.read(settings.queue_directory), _binding(settings)
    wall = structs.replace(walls.planned(configuration, ()), read=(), change=(str(queue / ACME),))
    with own_folder(queue, ACME) as descriptor:
        return _Ready(settings, settings.domains, kept, context, binding, keeper.start(descriptor, where, wall))


def _binding(settings: AcmeSettings) -> Binding | None:
    if not settings.acme_eab_key_id:
        return None
    try:
        text = Path(settings.acme_eab_key_file).read_text("ascii").strip()
        return Binding(settings.acme_eab_key_id, base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except OSError as error:
        raise AcmeFailure(f"acme_eab_key_file: {settings.acme_eab_key_file}: {error.strerror}") from error
    except ValueError:
        raise AcmeFailure(f"acme_eab_key_file: {settings.acme_eab_key_file}: no key in base64url") from None


def _run(inheritance: Inheritance, ready: _Ready | Outcome, users: frozenset[int]) -> None:
    """Live until told to stop; after a reload, until nothing is under way. `users`: whose requests are answered."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.umask(0o077)
    asyncio.run(_live(inheritance, ready, users))


async def _live(inheritance: Inheritance, ready: _Ready | Outcome, users: frozenset[int]) -> None:
    loop, log = asyncio.get_running_loop(), inheritance.log
    inheritance.faults.watch_loop(loop)
    log.gather(loop.call_later)
    stop, retire = asyncio.Event(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGUSR1, retire.set)
    work = _Refusing(ready) if isinstance(ready, Outcome) else _renewals(inheritance, ready)
    server = await serve_requests(next(iter(inheritance.sockets.values())), users, work.renew)
    os.write(inheritance.ready, b"\n")
    working = asyncio.create_task(lasting(work.run, "the renewal of certificates", inheritance.faults.tell))
    await first_of(stop.wait(), retire.wait())
    server.close()
    await first_of(stop.wait(), work.finish())
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    log.end()


def _renewals(inheritance: Inheritance, ready: _Ready) -> Renewals:
    settings = ready.settings
    wanted = Wanted(ready.domains, settings.acme_directory_url, settings.digest)
    client = _Client(ready, system_network())
    return Renewals(wanted, ready.kept, client.obtain, client.store, inheritance.log.emit, inheritance.faults.tell)


class _Refusing:
    """In the place of Renewals where the configuration does not allow any. `why`: said to whoever asks."""

    def __init__(self, why: Outcome) -> None:
        self._why = why

    async def run(self) -> None:
        """There is nothing to do."""

    async def renew(self) -> Outcome:
        return self._why

    async def finish(self) -> None:
        """Nothing is under way."""


class _Client:
    """Has certificates issued, with the rights of this process and the help of the keeper."""

    def __init__(self, ready: _Ready, network: Network) -> None:
        self._ready = ready
        self._network = network
        self._account = ready.kept.account

    async def store(self, name: str, content: bytes) -> None:
        """Raises OSError."""
        await asyncio.to_thread(self._ready.keeper.store, name, content)

    async def obtain(self) -> bytes:
        """What the file is to hold. Raises AcmeFailure, OSError."""
        settings, domains = self._ready.settings, self._ready.domains
        session = Session(settings.acme_directory_url, await self._account_key(), self._fetch, time.time)
        await session.open(settings.acme_contact, self._ready.binding)
        key = certificate.make_key(settings.acme_key_type)
        request = certificate.request(key, domains)
        chain = await issue(session, domains, settings.acme_challenge, request, self._respond, asyncio.sleep)
        return certificate.chain_file(key, chain, domains, time.time())

    async def _account_key(self) -> AccountKey:
        """The one there is, or a new one, which is kept before it is used."""
        if self._account:
            try:
                return AccountKey.read(self._account)
            except AcmeFailure as failure:
                raise AcmeFailure(f"{folder.ACCOUNT}: {failure}: move it away, and reload, for a new account") from None
        key = AccountKey.make()
        await self.store(folder.ACCOUNT, key.pem())
        self._account = key.pem()
        return key

    async def _fetch(self, request: Request) -> Response:
        try:
            return await fetch(request, self._network, seconds=_SECONDS, most_octets=MOST_OCTETS, context=self._ready.context)
        except FetchFailure as failure:
            raise AcmeFailure(str(failure)) from None

    @contextlib.asynccontextmanager
    async def _respond(self, proofs: Sequence[Proof]) -> AsyncIterator[None]:
        try:
            listeners = await asyncio.to_thread(self._ready.keeper.listen)
        except OSError as error:
            raise AcmeFailure(str(error)) from None
        async with responding(self._ready.settings.acme_challenge, listeners, proofs):
            yield
