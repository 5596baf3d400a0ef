"""What happens to a message between its end of data and the queue (cleanup(8)).

Envelope addresses go into standard form and through the tables, headers are checked, rewritten and completed, bodies are
checked where something is to be checked. The usual message has nothing of that, and is not looked at line by line.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct, structs

from gatepost.content.body import BodyWalk
from gatepost.content.checks import Checks, Effects, LogContext
from gatepost.content.headers import HOPS, HeaderRewriter, Headers, log_message_id
from gatepost.content.rules import Rules
from gatepost.events.records import Emit, Note
from gatepost.lookup import pattern_time
from gatepost.lookup.port import LookupFailure
from gatepost.lookup.registry import Tables
from gatepost.mail import header
from gatepost.mail.content import Content, MemoryContent
from gatepost.mail.envelope import Envelope, Recipient
from gatepost.mail.outcome import Class, Outcome, sent
from gatepost.mail.queue_id import QueueId
from gatepost.net.turns import Turns
from gatepost.queue.port import NewMessage
from gatepost.receive.cleanup_envelope import Recipients
from gatepost.receive.cleanup_settings import CleanupSettings
from gatepost.receive.cleanup_staging import SECTION_LIMIT, Staging
from gatepost.receive.received import MailDates
from gatepost.receive.smtputf8 import detecting, is_needed
from gatepost.routing.aliases import AliasLoop
from gatepost.routing.rewrite import LOCAL, REMOTE
from gatepost.routing.routing import Routing

ALIAS_EXPANDED = sent("alias expanded")
ALIAS_ERROR = Outcome(Class.TEMPORARY, "4.6.0", "Alias expansion error", code=451, origin="cleanup")
WRITE_ERROR = Outcome(Class.TEMPORARY, "4.3.0", "Error: queue file write error", code=451, origin="resource")
TOO_BIG = Outcome(Class.PERMANENT, "5.3.4", "Error: message file too big", code=552, origin="cleanup")
HEADERS_TOO_LONG = Outcome(Class.PERMANENT, "5.3.4", "Error: message header too long", code=552, origin="cleanup")
NO_RECIPIENTS = Outcome(Class.PERMANENT, "5.1.0", "Error: no recipients specified", code=550, origin="cleanup")


_LONG = 65536
"""Octets of a header section that are split in some milliseconds; a longer one is split by a thread."""

# Where mail comes in that others have written; what the mail system writes itself is not copied to anybody.
_SUBMITTING = frozenset(("smtpd", "pickup", "qmqpd"))
# Where nobody waits for a reply: what is refused for good goes back to its sender.
_RETURNING = frozenset(("pickup",))


class Cleaned(Struct, frozen=True):
    """How an intake ended. `outcome`: why the message is refused. Neither it nor `message`: discarded, and well so. `returned`: the
    header, with its envelope, of a refused message that has to go back to its sender."""

    message: NewMessage | None = None
    outcome: Outcome | None = None
    returned: NewMessage | None = None


class Cleanup:
    """The cleanup of one service (smtpd, pickup, bounce ...), with that service's parameters.

    `staging`: makes the name of a file for a large content, in a directory that can be written. `clock`: seconds since 1970.
    """

    def __init__(
        self,
        settings: CleanupSettings,
        routing: Routing,
        tables: Tables,
        *,
        staging: Callable[[], Path],
        clock: Callable[[], float],
        emit: Emit,
    ) -> None:
        self.settings = settings
        self.routing = routing
        self.rules = Rules(settings, tables)
        self.staging = staging
        self.clock = clock
        self.emit = emit
        self.dates = MailDates()
        self.detects_utf8 = detecting(settings.smtputf8_autodetect_classes, enabled=settings.smtputf8_enable)
        self._rewriters = {LOCAL: self._rewriter(LOCAL), REMOTE: None}
        if settings.remote_header_rewrite_domain:
            self._rewriters[REMOTE] = self._rewriter(REMOTE)

    def open(
        self, queue_id: QueueId, *, client: str, origin_service: str, context: str = LOCAL, in_lines: bool = False
    ) -> "Intake":
        """Begin a message. `client`: `name[address]` or `local`, for the log; `context`: by which rules incomplete addresses in
        headers are completed; `origin_service`: who takes it in; `in_lines`: CR and LF come as line ends only, for sure."""
        rules, replace_stray = self.rules, self.settings.cleanup_replace_stray_cr_lf
        staging = Staging(self.staging, replace_stray=replace_stray, in_lines=in_lines, strip=rules.strip, reject=rules.reject)
        return Intake(self, queue_id, client, origin_service, self._rewriters[context], staging)

    def _rewriter(self, context: str) -> HeaderRewriter:
        return HeaderRewriter(self.routing, context, self.settings.header_address_token_limit, mapping=self.rules.mapping)


class Intake:
    """One message on its way in: `write` its content, then `finish` or `abort`."""

    def __init__(
        self,
        cleanup: Cleanup,
        queue_id: QueueId,
        client: str,
        origin_service: str,
        rewriter: HeaderRewriter | None,
        staging: Staging,
    ) -> None:
        self._cleanup = cleanup
        self._queue_id = queue_id
        self._origin_service = origin_service
        self._rewriter = rewriter
        self._story = LogContext(str(queue_id), client or "local")
        self._staging = staging
        self._failed = False

    def write(self, chunk: bytes) -> None:
        """The next octets of the content in canonical form (lines end in CRLF, no dot-stuffing), cut anywhere."""
        if self._failed:
            return
        try:
            self._staging.write(chunk)
        except OSError as error:
            self._write_failed(error)

    def abort(self) -> None:
        """Forget the message. What cleanup would have said by then is said: its Message-Id, once the header section was complete,
        and that it is more than a queue file may hold (there, a line takes about as much as with its CRLF)."""
        cleanup, queue_id = self._cleanup, self._story.queue_id
        if (headers := self._staging.headers()) is not None:
            added = cleanup.rules.completes(self._rewriter is not None)
            log_message_id(headers, cleanup.rules.message_id(queue_id) if added else "<>", queue_id, cleanup.emit)
        if 0 < cleanup.settings.message_size_limit < self._staging.size:
            self._close_failed()
        self._staging.discard()

    async def finish(self, envelope: Envelope) -> Cleaned:
        """The content is complete: what to queue, or why not. Tables that cannot answer and disks that cannot write are a
        temporary refusal."""
        try:
            with pattern_time.apart():
                cleaned = await self._finish(envelope)
        except LookupFailure as failure:
            about = f" for {failure.address}" if failure.address else ""
            told = f"{failure.parameter or failure.table} map lookup problem{about} -- message not accepted, try again later"
            cleaned = self._refused(WRITE_ERROR, told)
        except AliasLoop as loop:
            cleaned = self._refused(ALIAS_ERROR, loop.text)
        except OSError as error:
            self._write_failed(error)
            cleaned = Cleaned(outcome=WRITE_ERROR)
        if cleaned.message is None:
            self._staging.discard()
        return cleaned

    async def _finish(self, envelope: Envelope) -> Cleaned:
        if self._failed:
            return Cleaned(outcome=WRITE_ERROR)
        self._staging.finish()
        if self._staging.headers_too_long and self._cleanup.rules.looks:
            return self._refused(HEADERS_TOO_LONG, f"message header exceeds {SECTION_LIMIT} octets")
        self._story.protocol = envelope.attribute("log_protocol_name")
        self._story.helo = envelope.attribute("log_helo_name")
        effects = Effects(checking=self._cleanup.rules.checking)
        recipients = Recipients(
            self._cleanup.routing,
            self._cleanup.settings,
            self._story,
            mapping=self._cleanup.rules.mapping,
            copying=self._cleanup.rules.mapping and self._origin_service in _SUBMITTING,
        )
        sender = await recipients.sender(envelope)
        turns = Turns()
        for recipient in envelope.recipients:
            await recipients.add(recipient)
            if turns.over():
                await turns.rest()
        headers, content = await self._content(effects, envelope, sender)
        if refusal := headers.refusal or effects.refusal:
            returned = self._returned(envelope, sender, recipients, content)
            return Cleaned(outcome=_refusal(refusal), returned=returned)
        if effects.discard:
            return Cleaned()
        await recipients.always_bcc(effects.bcc)
        if not recipients.final:
            return Cleaned(outcome=NO_RECIPIENTS)
        if 0 < self._cleanup.settings.message_size_limit < content.size:
            refused = self._refused(TOO_BIG, "queue file size limit exceeded")
            self._close_failed()
            return refused
        final = _envelope(envelope, sender, tuple(recipients.final), effects, eight_bit=headers.eight_bit)
        if self._origin_service in self._cleanup.detects_utf8 and is_needed(sender, final.recipients, _head(content)):
            final = structs.replace(final, smtputf8=True)
        return Cleaned(NewMessage(self._queue_id, final, content, content.size, tuple(recipients.expanded)))

    async def _content(self, effects: Effects, envelope: Envelope, sender: str) -> tuple[Headers, Content]:
        """The headers as gone through, and the content to queue."""
        cleanup, staging = self._cleanup, self._staging
        rules = cleanup.rules
        section = await _section(staging.head)
        checks = Checks(rules.maps, self._story, effects, cleanup.emit) if rules.looks else None
        returning = self._origin_service in _RETURNING
        headers = Headers(rules, self._rewriter, checks, self._story, cleanup.emit, returning=returning)
        kept = await headers.go_through(section.headers)
        if not headers.ended:
            kept += headers.missing(sender, envelope.sender_fullname, cleanup.dates(cleanup.clock()))
        if staging.rejected and checks is not None:
            checks.content(b"", "disallowed character")
        rest = staging.head[section.end :]
        follows = rest[:2] or staging.body_begins
        if follows and follows != b"\r\n":
            kept.append(b"\r\n")  # a body that begins without an empty line gets one
        head = b"".join(kept)
        if checks is not None and (effects.checking or rules.walks_strictly) and not headers.ended:
            rest = await self._walk(BodyWalk(rules.body, checks, section.headers), rest)
        return headers, staging.content(head, rest)

    def _returned(self, envelope: Envelope, sender: str, recipients: Recipients, content: Content) -> NewMessage | None:
        """What goes back to the sender of a refused message, if anything."""
        if self._origin_service not in _RETURNING:
            return None
        head = content.head(self._cleanup.settings.header_size_limit).partition(b"\r\n\r\n")[0] + b"\r\n"
        final = structs.replace(envelope, sender=sender, recipients=tuple(recipients.final), ret="HDRS")
        return NewMessage(self._queue_id, final, MemoryContent(head), content.size)

    async def _walk(self, walk: BodyWalk, rest: bytes) -> bytes:
        """What is in memory of the body after its checks."""
        with self._staging.body_rewriter() as write:
            for chunk in self._staging.body(rest):
                write(b"".join(await walk.feed(chunk)))
            write(b"".join(await walk.finish()))
        return self._staging.rewritten()

    def _refused(self, outcome: Outcome, text: str) -> Cleaned:
        self._cleanup.emit(Note("cleanup", text, "warning", self._story.queue_id))
        return Cleaned(outcome=outcome)

    def _close_failed(self) -> None:
        self._cleanup.emit(Note("cleanup", "mail_stream_cleanup: close error", "warning"))

    def _write_failed(self, error: OSError) -> None:
        self._failed = True
        self._cleanup.emit(Note("cleanup", f"write queue file: {error.strerror}", "warning", self._story.queue_id))


def _head(content: Content) -> bytes:
    return content.head(SECTION_LIMIT).partition(b"\r\n\r\n")[0]


async def _section(head: bytes) -> header.Section:
    """The header section at the beginning of `head`."""
    if len(head) <= _LONG or head.find(b"\r\n\r\n", 0, _LONG) >= 0:
        return header.split(head)
    return await asyncio.to_thread(header.split, head)


def _refusal(text: str) -> Outcome:
    """A refusal whose text begins with an enhanced status code, as an outcome."""
    status, _, words = text.partition(" ")
    temporary = status.startswith("4")
    code = 451 if temporary else 554 if text == HOPS else 550
    return Outcome(Class.TEMPORARY if temporary else Class.PERMANENT, status, words, code=code, origin="cleanup")


def _envelope(envelope: Envelope, sender: str, recipients: tuple[Recipient, ...], effects: Effects, *, eight_bit: bool) -> Envelope:
    encoding = "8bit" if eight_bit else envelope.encoding
    return structs.replace(
        envelope,
        sender=sender,
        recipients=recipients,
        encoding=encoding,
        content_filter=effects.filter or envelope.content_filter,
        redirect=effects.redirect or envelope.redirect,
        hold=effects.hold or envelope.hold,
        attributes=(*envelope.attributes, ("encoding", encoding)) if encoding else envelope.attributes,
    )
