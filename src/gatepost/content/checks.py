"""What header_checks and body_checks ask for (header_checks(5)): an answer of a table becomes an effect on the message."""

from collections.abc import Callable

from gatepost.content.check_maps import CheckMaps
from gatepost.events.notes import CheckUnusable
from gatepost.events.records import Emit, Judged
from gatepost.lookup.registry import Maps
from gatepost.mail.address import external
from gatepost.mail.ascii_text import SPACE, is_number, upper
from gatepost.mail.header import is_header
from gatepost.mail.reason import UNSAID, because

SHOWN = 200
"""Octets of a matched text that are logged."""

REJECTED = "5.7.1 message content rejected"


class LogContext:
    """What is known of a message for its log lines: who sent it, and how it came. `context` is the tail of the lines; `written`:
    how an address is logged (info_log_address_format)."""

    __slots__ = ("client", "helo", "protocol", "queue_id", "recipient", "sender", "written")

    def __init__(self, queue_id: str, client: str, written: Callable[[str], str] = external) -> None:
        self.queue_id = queue_id
        self.client = client
        self.written = written
        self.sender: str | None = None
        self.recipient: str | None = None
        self.protocol = ""
        self.helo = ""

    def parties(self) -> str:
        """`from=<> to=<>`."""
        found = [] if self.sender is None else [f"from=<{self.written(self.sender)}>"]
        if self.recipient is not None:
            found.append(f"to=<{self.written(self.recipient)}>")
        return " ".join(found)

    def context(self) -> str:
        """The parties, and `proto=` and `helo=` where they are known."""
        found = [self.parties()]
        if self.protocol:
            found.append(f"proto={self.protocol}")
        if self.helo:
            found.append(f"helo=<{self.helo}>")
        return " ".join(found)


class Effects:
    """What the checks have asked for so far. `checking`: whether more is looked at."""

    __slots__ = ("bcc", "checking", "discard", "filter", "hold", "redirect", "refusal")

    def __init__(self, *, checking: bool) -> None:
        self.checking = checking
        self.refusal = ""
        self.discard = False
        self.hold = False
        self.filter = ""
        self.redirect = ""
        self.bcc: list[str] = []


class Checks:
    """The checks of one message. Each `check` gives the lines (octets, no line end) to put in the place of what was checked;
    None leaves it as it is."""

    def __init__(self, maps: CheckMaps, story: LogContext, effects: Effects, emit: Emit) -> None:
        self.maps = maps
        self.effects = effects
        self._story = story
        self._emit = emit
        self._why = UNSAID

    async def header(self, maps: Maps, text: bytes) -> list[bytes] | None:
        """Judge a header; `text`: lines ended by LF, none at the end. Raises LookupFailure."""
        return await self._check("header", maps, text)

    async def body(self, text: bytes) -> list[bytes] | None:
        """Judge a line of a body. Raises LookupFailure."""
        return await self._check("body", self.maps.body, text)

    def content(self, text: bytes, refusal: str) -> None:
        """Refuse for what no table says."""
        self._why = because("message_reject_characters", key=text.decode("utf-8", "surrogateescape"))
        self._act("content", "", text, f"REJECT {refusal}")

    def mime_error(self, what: str, sample: bytes) -> None:
        """Refuse for bad MIME (strict_8bitmime and others)."""
        if not self.effects.refusal:
            self.effects.refusal = f"5.6.0 {what}"
            self._why = because("mime-error", key=sample.decode("utf-8", "surrogateescape"), reason=what)
            self._judged("reject", f"mime-error {what}:", sample, "", self._story.parties())

    async def _check(self, kind: str, maps: Maps, text: bytes) -> list[bytes] | None:
        key = text.decode("utf-8", "surrogateescape")
        found = await maps.find_at(key)
        if found is None:
            return None
        value, table, line = found
        self._why = because(maps.title, table, key, value, line)
        return self._act(kind, maps.title, text, value)

    def _act(self, kind: str, title: str, text: bytes, value: str) -> list[bytes] | None:
        command, _, rest = value.replace("\t", " ").partition(" ")
        action = _ACTIONS.get(upper(command))
        if action is None:
            self._warn(title, f"unknown command in {title} map: {value}")
            return None
        return action(self, kind, title, text, rest.strip(SPACE))

    def _log(self, action: str, kind: str, text: bytes, argument: str) -> None:
        self._judged(action, kind, text, argument, self._story.context())

    def _judged(self, action: str, kind: str, text: bytes, argument: str, context: str) -> None:
        shown = text[:SHOWN].decode("utf-8", "surrogateescape")
        story = self._story
        self._emit(Judged("cleanup", story.queue_id, action, f"{kind} {shown}", story.client, argument, context, self._why))

    def _warn(self, title: str, text: str) -> None:
        self._emit(CheckUnusable("cleanup", title, text))

    def _needs_header(self, action: str, kind: str, title: str, argument: str) -> bool:
        """Whether the text of PREPEND or REPLACE can stand where it has to."""
        if not argument:
            self._warn(title, f"{action} action without text in {title} map")
        elif kind == "header" and not is_header(_octets(argument)):
            self._warn(title, f'bad {action} header text "{argument}" in {title} map -- need "headername: headervalue"')
        else:
            return True
        return False

    def reject(self, kind: str, title: str, text: bytes, argument: str) -> None:
        refusal = f"{'' if _begins_with_status(argument) else '5.7.1 '}{argument}" if argument else REJECTED
        self._log("reject", kind, text, refusal)
        self.effects.refusal = self.effects.refusal or refusal
        self.effects.checking = False

    def warn(self, kind: str, title: str, text: bytes, argument: str) -> None:
        self._log("warning", kind, text, argument)

    def info(self, kind: str, title: str, text: bytes, argument: str) -> None:
        self._log("info", kind, text, argument)

    def filter(self, kind: str, title: str, text: bytes, argument: str) -> None:
        if not argument:
            self._warn(title, f"missing FILTER command argument in {title} map")
        elif ":" not in argument:
            self._warn(title, f"bad FILTER command {argument} in {title} -- need transport:destination")
        else:
            self._log("filter", kind, text, argument)
            self.effects.filter = argument

    def pass_(self, kind: str, title: str, text: bytes, argument: str) -> None:
        self._log("pass", kind, text, argument)
        self.effects.checking = False

    def discard(self, kind: str, title: str, text: bytes, argument: str) -> None:
        self._log("discard", kind, text, argument)
        self.effects.discard = True
        self.effects.checking = False

    def hold(self, kind: str, title: str, text: bytes, argument: str) -> None:
        if not self.effects.hold:
            self._log("hold", kind, text, argument)
            self.effects.hold = True

    def prepend(self, kind: str, title: str, text: bytes, argument: str) -> list[bytes] | None:
        if not self._needs_header("PREPEND", kind, title, argument):
            return None
        self._log("prepend", kind, text, argument)
        return [_octets(argument), text]

    def replace(self, kind: str, title: str, text: bytes, argument: str) -> list[bytes] | None:
        if not self._needs_header("REPLACE", kind, title, argument):
            return None
        self._log("replace", kind, text, argument)
        return [_octets(argument)]

    def redirect(self, kind: str, title: str, text: bytes, argument: str) -> None:
        if "@" not in argument:
            self._warn(title, f'bad REDIRECT target "{argument}" in {title} map -- need user@domain')
            return
        self._log("redirect", kind, text, argument)
        self.effects.redirect = argument
        self.effects.checking = False

    def bcc(self, kind: str, title: str, text: bytes, argument: str) -> None:
        if "@" not in argument:
            self._warn(title, f'bad BCC address "{argument}" in {title} map -- need user@domain')
            return
        self._log("bcc", kind, text, argument)
        if argument not in self.effects.bcc:
            self.effects.bcc.append(argument)

    def strip(self, kind: str, title: str, text: bytes, argument: str) -> list[bytes]:
        self._log("strip", kind, text, argument)
        return []

    def ignore(self, kind: str, title: str, text: bytes, argument: str) -> list[bytes]:
        return []

    def dunno(self, kind: str, title: str, text: bytes, argument: str) -> None:
        return None


_ACTIONS: dict[str, Callable[[Checks, str, str, bytes, str], list[bytes] | None]] = {
    "REJECT": Checks.reject,
    "WARN": Checks.warn,
    "INFO": Checks.info,
    "FILTER": Checks.filter,
    "PASS": Checks.pass_,
    "DISCARD": Checks.discard,
    "HOLD": Checks.hold,
    "PREPEND": Checks.prepend,
    "REPLACE": Checks.replace,
    "REDIRECT": Checks.redirect,
    "BCC": Checks.bcc,
    "STRIP": Checks.strip,
    "IGNORE": Checks.ignore,
    "DUNNO": Checks.dunno,
    "OK": Checks.dunno,
}


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _begins_with_status(text: str) -> bool:
    """Whether a text begins with an enhanced status code of failure (RFC 3463 §2)."""
    parts = text.partition(" ")[0].split(".")
    return len(parts) == 3 and parts[0] in ("4", "5") and all(is_number(part) and len(part) <= 3 for part in parts)
