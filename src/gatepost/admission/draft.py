"""A message on its way into the queue, and all that may be done to it.

Its headers are a list that is made when somebody asks for it; its body is a source, which is not read unless somebody does.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import BinaryIO, Protocol

from msgspec import Struct, structs

from gatepost.admission.edits import (
    AddHeader,
    AddRecipient,
    ChangeHeader,
    ChangeSender,
    DeleteHeader,
    DeleteRecipient,
    DropHeaders,
    Edit,
    EndRecipients,
    InsertHeader,
    PrefixHeader,
    ReplaceBody,
)
from gatepost.admission.port import Finding, Origin, Severity
from gatepost.mail import header
from gatepost.mail.address import is_octets, to_bytes
from gatepost.mail.content import Content
from gatepost.mail.envelope import Envelope, Recipient
from gatepost.mail.header import Header
from gatepost.mail.outcome import Outcome
from gatepost.mail.queue_id import QueueId
from gatepost.net.turns import Turns
from gatepost.policy.port import Action
from gatepost.queue.port import Ended

LONGEST_ADDRESS = 2048
"""Octets of an address that a gate may add; RFC 5321 §4.5.3.1 asks for 320."""

_FOLD = re.compile(rb"\r?\n")
_STRAY = re.compile(rb"\r(?!\n)|(?<!\r)\n|\0")
_CONTROL = re.compile(r"[\0\r\n]")


class EditImpossible(Exception):
    """An edit that no message can bear: what is wrong with it. The draft is as it was before."""


class Limits(Struct, frozen=True):
    """How far edits may go. `header`, `section`, `message`: octets of a header, of all headers, of the message (0: any number);
    `recipients`: that a message may have."""

    header: int = 102_400
    section: int = 1_048_576
    message: int = 0
    recipients: int = 50_000


USUAL = Limits()


class Body(Protocol):
    """Where the octets after the headers come from."""

    def spare(self) -> BinaryIO:
        """A file for octets that may take their place; it goes when it is closed. Raises OSError."""
        ...

    def chunks(self) -> Iterator[bytes]:
        """The octets, in order. Raises OSError."""
        ...

    def replace(self, chunks: Iterable[bytes]) -> None:
        """Take others in their place, after all of which these are gone; where giving them raises, they stay. Raises OSError."""
        ...

    def seen_below(self, head: bytes) -> Content:
        """The message with these headers, to be read while neither changes."""
        ...


class Addressees(Protocol):
    """Who gets the message: recipients go in as given, and come out expanded. `final`: those."""

    final: list[Recipient]

    async def add(self, recipient: Recipient) -> None:
        """One more. Raises LookupFailure, AliasLoop."""
        ...

    def keep(self, recipients: Sequence[Recipient]) -> None:
        """These, and no others."""
        ...

    def undo(self) -> Callable[[], None]:
        """How to have it as it is now again."""
        ...

    async def rewritten(self, sender: str) -> str:
        """A sender in standard form. Raises LookupFailure, AliasLoop."""
        ...


class Draft:
    """One message. `given`: the envelope as handed in; `head`: its headers as octets, each whole lines.

    `sender`: as it is now. `held`, `discarded`, `refusal`, `quarantine` (why): what is to become of the message.
    `disconnects`: whether its session is to end then. `findings`: what gates have said of it. `ended`: recipients who do not get
    it, for the ledger."""

    __slots__ = (
        "_headers", "_lines", "_room", "addressees", "content_filter", "discarded", "disconnects", "ended", "findings", "given",
        "held", "limits", "origin", "quarantine", "queue_id", "redirect", "refusal", "sender", "source",
    )  # fmt: skip

    def __init__(
        self,
        queue_id: QueueId,
        origin: Origin,
        given: Envelope,
        addressees: Addressees,
        source: Body,
        *,
        head: Sequence[bytes] = (),
        limits: Limits = USUAL,
    ) -> None:
        self.queue_id = queue_id
        self.origin = origin
        self.given = given
        self.sender = given.sender
        self.addressees = addressees
        self.source = source
        self.limits = limits
        self.held = given.hold
        self.discarded = self.disconnects = False
        self.refusal: Outcome | None = None
        self.quarantine = ""
        self.content_filter = given.content_filter
        self.redirect = given.redirect
        self.findings: list[Finding] = []
        self.ended: list[Ended] = []
        self._lines: Sequence[bytes] = head
        self._headers: list[Header] | None = None
        self._room = 0  # octets that headers may grow by, once they are listed

    # --- what it is ---

    @property
    def headers(self) -> Sequence[Header]:
        """The headers, in order."""
        return self._listed()

    @property
    def head(self) -> bytes:
        """The headers as octets, without the empty line."""
        return b"".join(self._lines if self._headers is None else [one.raw for one in self._headers])

    def set_head(self, lines: Sequence[bytes]) -> None:
        """Other headers in their place: octets, each whole lines."""
        self._lines, self._headers = lines, None

    def body(self) -> Iterator[bytes]:
        """The octets after the empty line. Raises OSError."""
        return self.source.chunks()

    def spare(self) -> BinaryIO:
        """A file for octets that may become the body; it goes when it is closed. Raises OSError."""
        return self.source.spare()

    def content(self) -> Content:
        """The message as it is now, to be read as long as nobody changes it."""
        return self.source.seen_below(self.head)

    @property
    def envelope(self) -> Envelope:
        """The envelope as it is now."""
        return structs.replace(
            self.given,
            sender=self.sender,
            recipients=tuple(self.addressees.final),
            hold=self.held,
            content_filter=self.content_filter,
            redirect=self.redirect,
        )

    @property
    def settled(self) -> bool:
        """Whether nobody will get the message: it is refused, or discarded."""
        return self.discarded or self.refusal is not None

    # --- headers ---

    def add_header(self, name: bytes, value: bytes, *, verbatim: bool = False) -> None:
        """A header at the end. Raises EditImpossible, as all of these do."""
        self.insert_header(len(self._listed()), name, value, verbatim=verbatim)

    def insert_header(self, position: int, name: bytes, value: bytes, *, verbatim: bool = False) -> None:
        """A header before the one at `position`, from 0."""
        headers, new = self._listed(), self._made(name, value, verbatim=verbatim)
        self._has_room(len(new.raw))
        headers.insert(max(position, 0), new)

    def change_header(self, name: bytes, number: int, value: bytes, *, verbatim: bool = False) -> None:
        """Another value for the `number`th header of that name, from 1; added where there is none."""
        place = self._place(name, number)
        if place is None:
            return self.add_header(name, value, verbatim=verbatim)
        new = self._made(name, value, verbatim=verbatim)
        headers = self._listed()
        self._has_room(len(new.raw) - len(headers[place].raw))
        headers[place] = new
        return None

    def delete_header(self, name: bytes, number: int) -> None:
        """The `number`th header of that name, from 1, goes, if there is one."""
        if (place := self._place(name, number)) is not None:
            self._room += len(self._listed()[place].raw)
            del self._listed()[place]

    def drop_headers(self, names: frozenset[str], beginnings: tuple[str, ...]) -> None:
        """All headers of these names, and those whose names begin so, go."""
        headers = self._listed()
        kept = [one for one in headers if not (one.key in names or (beginnings and one.key.startswith(beginnings)))]
        self._room += sum(len(one.raw) for one in headers) - sum(len(one.raw) for one in kept)
        self._headers = kept

    def prefix_header(self, name: bytes, text: bytes) -> None:
        """`text` goes before the value of each header of that name, unless it is there; a header of it, where there is none."""
        wanted, headers = header.key(name), self._listed()
        places = [place for place, one in enumerate(headers) if one.key == wanted and wanted]
        if not places:
            return self.insert_header(0, name, text)
        for place in places:
            old = headers[place]
            if not old.value.startswith(text):
                new = self._made(old.raw.partition(b":")[0].rstrip(b" \t"), text + b" " + old.value, verbatim=False)
                self._has_room(len(new.raw) - len(old.raw))
                headers[place] = new
        return None

    # --- body ---

    def replace_body(self, chunks: Iterable[bytes]) -> None:
        """Another body, in wire form. Raises OSError, too, and what `chunks` raises."""
        self.source.replace(self._checked(chunks))

    # --- envelope ---

    async def add_recipient(self, recipient: Recipient) -> None:
        """One more recipient, through the tables. Raises LookupFailure and AliasLoop, too."""
        if not recipient.address:
            raise EditImpossible("an empty recipient")
        for text in (recipient.address, recipient.original, recipient.orcpt):
            _check_address(text)
        if len(self.addressees.final) >= self.limits.recipients:
            raise EditImpossible(f"more than {self.limits.recipients} recipients")
        await self.addressees.add(recipient)

    def delete_recipient(self, address: str) -> None:
        """Whoever gets the message as `address`, or because of it, does not get it. Where nobody is written so, letter by letter,
        case does not count."""
        _check_address(address)
        final, lower = self.addressees.final, address.lower()
        left = [one for one in final if address not in (one.address, one.original)]
        if len(left) == len(final):
            left = [one for one in final if lower not in (one.address.lower(), one.original.lower())]
        self.addressees.keep(left)

    def end_recipients(self, outcomes: Mapping[str, Outcome]) -> None:
        """Whoever gets the message as one of these addresses does not get it; the ledger tells how it ended."""
        left: list[Recipient] = []
        for one in self.addressees.final:
            if (outcome := outcomes.get(one.address)) is None:
                left.append(one)
            else:
                self.ended.append(Ended(one, outcome))
        self.addressees.keep(left)

    async def change_sender(self, address: str, ret: str = "", envid: str = "") -> None:
        """Another sender; empty: nobody. `ret`, `envid`: as in Envelope, where they change. Raises LookupFailure and AliasLoop,
        too."""
        _check_address(address)
        self.sender = await self.addressees.rewritten(address) if address else ""
        if ret or envid:
            self.given = structs.replace(self.given, ret=ret or self.given.ret, envid=envid or self.given.envid)

    # --- what becomes of it ---

    def hold(self) -> None:
        """It waits in the queue for a person (postsuper -H)."""
        self.held = True

    def set_aside(self, reason: str) -> None:
        """It is quarantined: held, with the reason."""
        self.held, self.quarantine = True, reason

    def discard(self) -> None:
        """It is taken and thrown away."""
        self.discarded = True

    def refuse(self, outcome: Outcome) -> None:
        """It is not taken; the first refusal counts, unless it was for now and this one is for good."""
        if self.refusal is None or outcome.cls > self.refusal.cls:
            self.refusal = outcome

    def obey(self, finding: Finding) -> None:
        """Do what guards have found, whose edits were made already."""
        self.findings.append(finding)
        self.disconnects |= finding.disconnect
        for action in finding.actions:
            self.act(action)
        match finding.severity:
            case Severity.HOLD:
                self.hold()
            case Severity.QUARANTINE:
                self.set_aside(finding.reason)
            case Severity.DISCARD:
                self.discard()
            case Severity.DEFER | Severity.REFUSE:
                assert finding.outcome is not None
                self.refuse(finding.outcome)

    def act(self, action: Action) -> None:
        """Do what guards ask for in the words of access(5). A header is put before all others."""
        match action.kind:
            case "hold":
                self.hold()
            case "discard":
                self.discard()
            case "filter":
                self.content_filter = action.value
            case "redirect":
                self.redirect = action.value
            case "prepend":
                if raw := header.single(to_bytes(action.value)):
                    self._listed().insert(0, header.split(raw).headers[0])

    async def edit(self, edits: Sequence[Edit]) -> None:
        """Carry out what a gate asks for, all of it or nothing: a body comes last, as it cannot be taken back, and of several only
        the last one. Raises EditImpossible, LookupFailure, AliasLoop, OSError."""
        headers, room, sender, given, ended = list(self._listed()), self._room, self.sender, self.given, list(self.ended)
        undo, turns = self.addressees.undo(), Turns()
        bodies = [edit for edit in edits if isinstance(edit, ReplaceBody)]
        try:
            for edit in edits:
                await self._apply(edit)
                if turns.over():
                    await turns.rest()
            for body in bodies[:-1]:
                for _ in self._checked(body.chunks()):
                    continue
            if bodies:
                self.replace_body(bodies[-1].chunks())
        except BaseException:
            self._headers, self._room, self.sender, self.given, self.ended = headers, room, sender, given, ended
            undo()
            raise

    async def _apply(self, edit: Edit) -> None:
        match edit:
            case AddHeader():
                self.add_header(edit.name, edit.value, verbatim=edit.verbatim)
            case InsertHeader():
                self.insert_header(edit.position, edit.name, edit.value, verbatim=edit.verbatim)
            case ChangeHeader():
                self.change_header(edit.name, edit.number, edit.value, verbatim=edit.verbatim)
            case DeleteHeader():
                self.delete_header(edit.name, edit.number)
            case DropHeaders():
                self.drop_headers(edit.names, edit.beginnings)
            case PrefixHeader():
                self.prefix_header(edit.name, edit.text)
            case AddRecipient():
                await self.add_recipient(edit.recipient)
            case DeleteRecipient():
                self.delete_recipient(edit.address)
            case EndRecipients():
                self.end_recipients(edit.outcomes)
            case ChangeSender():
                await self.change_sender(edit.address, edit.ret, edit.envid)

    # --- the border ---

    def _listed(self) -> list[Header]:
        if self._headers is None:
            self._headers = header.split(b"".join(self._lines)).headers
            self._room = self.limits.section - sum(len(one.raw) for one in self._headers)
        return self._headers

    def _place(self, name: bytes, number: int) -> int | None:
        wanted = header.key(name)
        places = [place for place, one in enumerate(self._listed()) if one.key == wanted and wanted]
        return places[number - 1] if 0 < number <= len(places) else None

    def _made(self, name: bytes, value: bytes, *, verbatim: bool) -> Header:
        key = header.key(name)
        if not key or len(key) != len(name):
            raise EditImpossible(f"{name[:100]!r} is no name of a header")
        text = _FOLD.sub(b"\r\n", value)
        lines = text.split(b"\r\n")
        if _STRAY.search(text) or any(not line.strip(b" \t") or line[:1] not in (b" ", b"\t") for line in lines[1:]):
            raise EditImpossible(f"header {key}: a value with a NUL, a CR alone, or a line that does not go on with a blank")
        blank = b"" if verbatim or text[:1] in (b" ", b"\t") else b" "
        raw = name + b":" + blank + text + b"\r\n"
        if len(raw) > self.limits.header:
            raise EditImpossible(f"header {key}: more than {self.limits.header} octets")
        return Header(key, raw)

    def _has_room(self, octets: int) -> None:
        self._listed()
        if 0 < octets > self._room:
            raise EditImpossible(f"more than {self.limits.section} octets of headers")
        self._room -= octets

    def _checked(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """A body in wire form, within the limit of a message; its last line ends."""
        room, carry, last = self.limits.message, b"", b"\r\n"
        for chunk in chunks:
            piece, carry = carry + chunk, b""
            if piece.endswith(b"\r"):
                piece, carry = piece[:-1], b"\r"
            room -= len(chunk)
            if self.limits.message and room < 0:
                raise EditImpossible(f"a body of more than {self.limits.message} octets")
            if not piece.count(b"\r\n") == piece.count(b"\r") == piece.count(b"\n"):
                raise EditImpossible("a body with a CR or LF alone")
            if piece:
                last = piece[-2:]
                yield piece
        if carry:
            raise EditImpossible("a body with a CR or LF alone")
        if last != b"\r\n":
            yield b"\r\n"


def _check_address(text: str) -> None:
    if len(text) > LONGEST_ADDRESS or _CONTROL.search(text) or not is_octets(text):
        raise EditImpossible(f"{text[:100]!r} is no address")
