"""The header section of a message on its way in: checked, rewritten, some dropped, the missing ones added (cleanup(8))."""

import re
from collections.abc import Callable

from gatepost.content.checks import Checks, LogContext
from gatepost.content.header_addresses import with_addresses
from gatepost.content.header_names import Role
from gatepost.content.rules import Rules
from gatepost.events.notes import HopcountExceeded
from gatepost.events.records import Emit, MessageId, Note
from gatepost.mail import mime
from gatepost.mail.encoded_word import encoded_words
from gatepost.mail.envelope import TlsRequired
from gatepost.mail.header import Header, cut, gathered, is_header, split
from gatepost.mail.header_address import Token, TokenKind, external, internal, requoted, scan
from gatepost.net.turns import Turns
from gatepost.routing.aliases import Place
from gatepost.routing.routing import Routing

HOPS = "5.4.0 Error: too many hops"
MAIL_DAEMON = "MAILER-DAEMON"

# Addresses in standard form, as most headers write them: nothing that rewriting without tables would touch. Each part begins with
# what no part before it can take, and gives nothing back: a header that does not match costs one look.
_ATOM = r"[A-Za-z0-9#$&'*+/=?^_`{}~-]++"
_HOST = r"(?>(?:[A-Za-z0-9](?>(?:-*+[A-Za-z0-9]++)*)\.)+)[A-Za-z]{2,}+"
_ADDRESS = rf"(?>{_ATOM}(?>(?:\.{_ATOM})*)@{_HOST})"
_PHRASE = r"""(?:"[^"\\]*+"[ ]*+|[^\x00-\x20()<>\[\]:;@\\,"][^\x00-\x1f()<>\[\]:;@\\,"]*+)"""
_MAILBOX = rf"""(?:{_ADDRESS}|{_PHRASE}?<{_ADDRESS}>)"""
_STANDARD = re.compile(rf"""\s*+{_MAILBOX}(?>(?:,\s*+{_MAILBOX})*)\s*+\Z""", re.ASCII)


def log_message_id(headers: list[Header], missing: str, queue_id: str, emit: Emit) -> None:
    """Log the Message-Id of a message that will not be queued; `missing` where it has none."""
    found = next((h.value.decode("utf-8", "surrogateescape") for h in headers if h.key == "message-id"), missing)
    emit(MessageId("cleanup", queue_id, found.replace("\r\n", "\n")))


class HeaderRewriter:
    """Rewrites the addresses in headers for one context, through the tables of their place."""

    def __init__(self, routing: Routing, context: str, token_limit: int, *, mapping: bool) -> None:
        self._routing = routing
        self._context = context
        self._token_limit = token_limit
        self._mapped = {place: mapping and routing.maps_in(place) for place in (Place.HEADER_SENDER, Place.HEADER_RECIPIENT)}

    async def rewrite(self, header: Header, place: Place) -> bytes:
        """The octets of the header afterwards: the same ones where no address changed. Raises LookupFailure, AliasLoop."""
        mapped = self._mapped[place]
        if not mapped and _STANDARD.match(header.text[1]):
            return header.raw

        async def replace(before: str, parts: list[Token]) -> str:
            after = self._routing.rewriter.rewrite_external(before, self._context)
            if not mapped:
                return after
            unmapped = internal(scan(after))
            address = await self._routing.mapped(unmapped, place)
            return after if address == unmapped else requoted(address)

        return await with_addresses(header, replace, self._token_limit)


class Headers:
    """Goes through the primary headers of one message. `rewriter`: None where the client's headers are left alone. `returning`: a
    refused message goes back to its sender, and is completed for that."""

    def __init__(
        self,
        rules: Rules,
        rewriter: HeaderRewriter | None,
        checks: Checks | None,
        story: LogContext,
        emit: Emit,
        *,
        returning: bool = False,
    ) -> None:
        self._rules = rules
        self._limit = rules.settings.header_size_limit
        self._rewriter = rewriter
        self._checks = checks
        self._story = story
        self._emit = emit
        self._returning = returning
        self._turns = Turns()
        self.seen: set[str] = set()
        self.resent = ""
        self.hops = 0
        self.eight_bit = False
        self.tls_required = TlsRequired.BY_POLICY
        self.refusal = ""

    async def go_through(self, headers: list[Header]) -> list[bytes]:
        """The octets of the headers that stay. Raises LookupFailure, AliasLoop."""
        kept: list[bytes] = []
        special = self._rules.special
        for header in headers:
            if (self.refusal or self._checks is not None) and self.ended:
                break
            if self._turns.over():
                await self._turns.rest()
            if self._checks is not None and self._checks.effects.checking:
                await self._checked(header, kept)
            elif len(header.raw) > self._limit or header.key in special:
                await self._special(header, kept)
            else:
                kept.append(header.raw)
        return kept

    @property
    def ended(self) -> bool:
        """Whether nobody will see the message, so that nothing more is looked at: it is discarded, or refused for good."""
        effects = None if self._checks is None else self._checks.effects
        refused = self.refusal or (effects is not None and effects.refusal)
        return bool(refused and not self._returning) or (effects is not None and effects.discard)

    async def _checked(self, header: Header, kept: list[bytes]) -> None:
        assert self._checks is not None
        if len(header.raw) > self._limit:
            header = gathered(header, self._limit)
        maps = self._checks.maps.judging(mime.Place.PRIMARY, header.key)
        replaced = None if maps.empty else await self._checks.header(maps, header.raw[:-2].replace(b"\r\n", b"\n"))
        if self.ended:
            return
        if replaced is None:
            await self._special(header, kept)
            return
        for text in replaced:
            for other in split(text.replace(b"\n", b"\r\n") + b"\r\n").headers:
                await self._special(other, kept)

    async def _special(self, header: Header, kept: list[bytes]) -> None:
        if len(header.raw) > self._limit:
            header = cut(header, self._limit)
        role = self._rules.role(header.key)
        if self._note(header, role):
            kept.append(await self._rewritten(header, role) if role & Role.ADDRESSED else header.raw)

    def _note(self, header: Header, role: int) -> bool:
        """Take down what a header tells; whether it stays."""
        key = header.key
        self.seen.add(key)
        if (action := _COUNTED.get(key)) is not None:
            action(self, header)
        if role & Role.RESENT:
            self.resent = "Resent-"
        return key not in self._rules.drop

    async def _rewritten(self, header: Header, role: int) -> bytes:
        if self._rewriter is None:
            return header.raw
        return await self._rewriter.rewrite(header, Place.HEADER_SENDER if role & Role.SENDER else Place.HEADER_RECIPIENT)

    def _received(self, header: Header) -> None:
        self.hops += 1
        if self.hops >= self._rules.settings.hopcount_limit and not self.refusal:
            self.refusal = HOPS
            self._emit(HopcountExceeded("cleanup", queue_id=self._story.queue_id))

    def _message_id(self, header: Header) -> None:
        value = header.value.replace(b"\r\n", b"\n").decode("utf-8", "surrogateescape")
        self._emit(MessageId("cleanup", self._story.queue_id, value, header.key == "resent-message-id"))

    def _encoding(self, header: Header) -> None:
        if self._rules.settings.detect_8bit_encoding_header and header.value.split(b";")[0].strip().lower() in (b"8bit", b"binary"):
            self.eight_bit = True

    def _tls_required(self, header: Header) -> None:
        """RFC 8689 §3: no other word means anything."""
        if self._rules.settings.tls_required_enable and header.value.strip().lower() == b"no":
            self.tls_required = self.tls_required or TlsRequired.NO

    def _requiretls(self, header: Header) -> None:
        """What has kept REQUIRETLS while the message was with a content filter (REQUIRETLS_README)."""
        if self._rules.marks_requiretls and header.value.strip().lower() == b"yes":
            self.tls_required = TlsRequired.YES

    def missing(self, sender: str, fullname: str, date: str) -> list[bytes]:
        """The headers to add, where they are to be added (RFC 5322 §3.6); `sender` internal, `date` of now."""
        add = self._rules.completes(self._rewriter is not None)
        lines: list[str] = []
        prefix = self.resent
        if add and f"{prefix}message-id".lower() not in self.seen:
            identity = self._rules.message_id(self._story.queue_id)
            lines.append(f"{prefix}Message-Id: {identity}")
            self._emit(MessageId("cleanup", self._story.queue_id, identity, bool(prefix)))
            self.seen.add(f"{prefix}message-id".lower())
        if "message-id" not in self.seen:
            self._emit(MessageId("cleanup", self._story.queue_id, "<>"))
        if add and f"{prefix}date".lower() not in self.seen:
            lines.append(f"{prefix}Date: {date}")
        if add and f"{prefix}from".lower() not in self.seen:
            lines.append(f"{prefix}From: {self._from(sender, fullname)}")
        if add and (withheld := self._withheld()):
            lines.append(withheld)
        return [line.encode("utf-8", "surrogateescape") + b"\r\n" for line in lines]

    def _from(self, sender: str, fullname: str) -> str:
        address = requoted(sender or MAIL_DAEMON)
        if not sender or not fullname:
            return address
        settings = self._rules.settings
        if settings.full_name_encoding_charset and not fullname.isascii():
            fullname = encoded_words(fullname, settings.full_name_encoding_charset)
        if settings.header_from_format == "obsolete":
            return f"{address} ({fullname})"
        phrase = scan(fullname)
        if any(token.kind is TokenKind.OPERATOR for token in phrase):
            phrase = scan('"' + fullname.replace("\\", "\\\\").replace('"', '\\"') + '"')
        return f"{external(phrase)} <{address}>"

    def _withheld(self) -> str:
        """`undisclosed_recipients_header`, where no header says to whom the message goes."""
        text = self._rules.settings.undisclosed_recipients_header
        if not text or any(self._rules.role(key) & Role.DESTINATION for key in self.seen):
            return ""
        if not is_header(text.encode("utf-8", "surrogateescape")):
            warning = f'bad undisclosed_recipients_header header text "{text}" -- need "headername: headervalue"'
            self._emit(Note("cleanup", warning, "warning"))
            return ""
        return text


_COUNTED: dict[str, Callable[[Headers, Header], None]] = {
    "received": Headers._received,
    "message-id": Headers._message_id,
    "resent-message-id": Headers._message_id,
    "content-transfer-encoding": Headers._encoding,
    "tls-required": Headers._tls_required,
    "require-tls-esmtp": Headers._requiretls,
}
