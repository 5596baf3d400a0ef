"""Drafts over fakes."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from io import BytesIO
from typing import BinaryIO

from gatepost.admission.draft import USUAL, Draft, Limits
from gatepost.admission.port import Origin
from gatepost.mail.content import Content, MemoryContent
from gatepost.mail.envelope import Envelope, Recipient
from gatepost.mail.queue_id import QueueId

HEAD = b"Received: here\r\nSubject: one\r\nX-A: 1\r\nx-a: 2\r\n"


class Octets:
    """A body in memory; `read`: how often somebody wanted it."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.read = 0

    @property
    def size(self) -> int:
        return len(self.data)

    @property
    def lines(self) -> int:
        return self.data.count(b"\r\n")

    def spare(self) -> BinaryIO:
        return BytesIO()

    def chunks(self) -> Iterator[bytes]:
        self.read += 1
        yield self.data

    def replace(self, chunks: Iterable[bytes]) -> None:
        self.data = b"".join(chunks)

    def seen_below(self, head: bytes) -> Content:
        return MemoryContent(head + b"\r\n" + self.data)


class Aliases:
    """Addressees; `list@here.test` is two people."""

    def __init__(self, *final: Recipient) -> None:
        self.final = list(final)

    async def add(self, recipient: Recipient) -> None:
        for address in ("a@here.test", "b@here.test") if recipient.address == "list@here.test" else (recipient.address,):
            self.final.append(Recipient(address, recipient.address))

    def keep(self, recipients: Sequence[Recipient]) -> None:
        self.final = list(recipients)

    def undo(self) -> Callable[[], None]:
        final = list(self.final)
        return lambda: self.keep(final)

    async def rewritten(self, sender: str) -> str:
        return sender if "@" in sender else f"{sender}@here.test"


def draft(head: bytes = HEAD, body: bytes = b"text\r\n", limits: Limits = USUAL) -> Draft:
    bob = Recipient("b@there.test", "b@there.test")
    given = Envelope("s@there.test", (bob,))
    return Draft(QueueId(1, 1), Origin("smtpd"), given, Aliases(bob), Octets(body), head=(head,), limits=limits)
