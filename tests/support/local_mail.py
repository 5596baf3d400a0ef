"""A world around one local(8) agent: tables in memory, and an agent process that only notes what it is asked."""

import asyncio
from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from gatepost.config.configuration import Configuration
from gatepost.deliver.local import LocalAgent
from gatepost.deliver.local_names import Rights
from gatepost.deliver.local_settings import House, LocalSettings
from gatepost.deliver.privileged import Answer, Done, Failed, ReadFile, Request
from gatepost.events.maillog import words
from gatepost.events.records import Event
from gatepost.lookup.account_database import User
from gatepost.lookup.accounts import Accounts
from gatepost.lookup.blocking import BlockingCalls
from gatepost.lookup.registry import Tables
from gatepost.mail.content import Content, MemoryContent
from gatepost.mail.delivery import Agent, DeliveryRequest, Purpose, Report
from gatepost.mail.envelope import Envelope, Recipient
from gatepost.mail.queue_id import QueueId
from gatepost.mail.queued import ActiveMessage, QueuedRecipient
from gatepost.routing.port import AddressClass, Route

USERS = {name: Rights(2000 + n, 2000 + n, name, f"/home/{name}", "/bin/sh") for n, name in enumerate(("alice", "bob"), 1)}
USERS["root"] = Rights(0, 0, "root", "/root", "/bin/sh")
NOBODY = Rights(65534, 65534)
REGULAR = 0o100644
"""Mode of a file that nobody else may write."""


class Known(Accounts):
    """The accounts of this world."""

    async def user_named(self, name: str) -> User | None:
        return next((_user(rights) for rights in USERS.values() if rights.name == name), None)

    async def user_with_id(self, uid: int) -> User | None:
        return next((_user(rights) for rights in USERS.values() if rights.uid == uid), None)


def _user(rights: Rights) -> User:
    return User(rights.name, "x", rights.uid, rights.gid, "", rights.home, rights.shell)


class World:
    """A house around one local agent. `files`: what the agent process can read; `log`: warnings; `asked`: what it was asked."""

    def __init__(self, configuration: Configuration, **settings: Any) -> None:
        self.files: dict[str, Answer] = {}
        self.asked: list[tuple[Request, bytes]] = []
        self.queued: list[tuple[Envelope, bytes]] = []
        self.log: list[str] = []
        self.ended: Done = Done()
        house = House(
            tables=Tables(self.log.append, accounts=Known()),
            agent=self,  # type: ignore[arg-type]
            resolve=self.resolve,
            rewrite=self.rewrite,
            submit=self.submit,
            agents=self.transport,
            program=str,
            environment={"LANG": "C"},
            files=BlockingCalls(2, 10.0),
            clock=lambda: 1700000000.0,
            emit=self.emit,
        )
        view = replace(configuration.view(LocalSettings), **{"home_mailbox": "Maildir/", **settings})
        self.agent = LocalAgent(view, house, NOBODY)

    def emit(self, event: Event) -> None:
        self.log.append(words(event).removeprefix("warning: "))

    async def transport(self, name: str) -> Agent:
        raise LookupError(name)

    async def rewrite(self, address: str) -> str:
        return address if "@" in address else f"{address}@here.test"

    async def resolve(self, address: str) -> Route:
        local = address.endswith("@here.test")
        return Route("local" if local else "smtp", "", address, AddressClass.LOCAL if local else AddressClass.DEFAULT)

    async def submit(self, envelope: Envelope, content: Content, *, origin: str) -> QueueId:
        self.queued.append((envelope, b"".join(content.chunks())))
        return QueueId(1, 1)

    async def ask(self, request: Request, content: Iterable[bytes] = ()) -> Answer:
        if isinstance(request, ReadFile):
            return self.files.get(request.path, Failed("5.2.0", f"{request.path}: No such file or directory", missing=True))
        self.asked.append((request, b"".join(content)))
        return self.ended

    def deliver(
        self, to: str, header: bytes = b"", notify: int = 0, sender: str = "from@there.test", purpose: Purpose = Purpose.DELIVER
    ) -> Report:
        queued = QueuedRecipient(0, Recipient(to, "orig@here.test", notify=notify))
        message = ActiveMessage(QueueId(1, 0), Envelope(sender), MemoryContent(header + b"Subject: x\r\n\r\nhi\r\n"), 10, (queued,))
        (report,) = asyncio.run(self.agent.deliver(DeliveryRequest(message, (queued,), "local", "", purpose)))
        return report
