"""Events as the lines that Postfix writes: `postfix/smtpd[123]: QUEUEID: client=name[address]`.

Whatever reads Postfix's log (pflogsumm, mailgraph, fail2ban, logwatch) reads this one. One row of `_WORDS` per record type.
A line is one line: what is not printable becomes `?`, so that no client writes a line of its own (RFC 5424 §8.2 says why).
"""

import time
from collections.abc import Callable
from typing import Any

from msgspec import Struct, structs

from gatepost.events import notes, records
from gatepost.mail.address import external

_SHOWN = 50  # recipients and rules of a line

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def seconds(value: float) -> str:
    """A delay as Postfix logs it: two significant digits at most, no trailing zeros (delay_logging_resolution_limit = 2)."""
    if value < 0.005:
        return "0"
    if value >= 10:
        return f"{value:.0f}"
    text = f"{value:.1f}" if value >= 1 else f"{value:.2f}"
    return text.rstrip("0").rstrip(".") or "0"


def seconds_with(decimals: int) -> Callable[[float], str]:
    """The same with so many decimals below a second, at most (delay_logging_resolution_limit)."""
    if decimals == 2:
        return seconds
    if not decimals:
        return lambda value: str(int(value + 0.5))

    def written(value: float) -> str:
        if value >= 1:
            return seconds(value)
        needed = decimals
        while value >= 10 ** (2 - needed):
            needed -= 1
        return f"{value:.{needed}f}".rstrip("0").rstrip(".") or "0"

    return written


class LineForm(Struct, frozen=True):
    """How lines are written: `seconds`, a delay; `written`, an address (info_log_address_format)."""

    seconds: Callable[[float], str] = seconds
    written: Callable[[str], str] = external


def _connected(e: records.Connected, form: LineForm) -> str:
    return f"connect from {e.client}"


def _disconnected(e: records.Disconnected, form: LineForm) -> str:
    text, well, all_in_all = f"disconnect from {e.client}", 0, 0
    for verb, good, total in e.counts:
        text += f" {verb}={good}" if good == total else f" {verb}={good}/{total}"
        well += good
        all_in_all += total
    return text + (f" commands={well}" if well == all_in_all != 0 else f" commands={well}/{all_in_all}")


def _lost(e: records.SessionLost, form: LineForm) -> str:
    return f"{e.what} after {e.after} from {e.client}"


def _accepted(e: records.Accepted, form: LineForm) -> str:
    named = (
        ("sasl_method", e.sasl_method),
        ("sasl_username", e.sasl_username),
        ("sasl_sender", e.sasl_sender),
        ("orig_queue_id", e.orig_queue_id),
        ("orig_client", e.orig_client),
    )
    return f"{e.queue_id or 'NOQUEUE'}: client={e.client}" + "".join(f", {name}={value}" for name, value in named if value)


def _judged(e: records.Judged, form: LineForm) -> str:
    if not e.client:  # on the way out nobody is from anywhere
        return f"{e.queue_id}: {e.action}: {e.where}" + (f": {e.text}" if e.text else "")
    head = f"{e.queue_id or 'NOQUEUE'}: {e.action}: {e.where} from {e.client}"
    if e.service == "cleanup" and " " in e.where:  # content checks name the matched text (`header X: y`) first and say why last
        return f"{head}; {e.context}" + (f": {e.text}" if e.text else "")
    return f"{head}: {e.text}" + (f"; {e.context}" if e.context else "")


def _filtered(e: records.Filtered, form: LineForm) -> str:
    """As amavisd-new has it, with the rules."""
    names = f" ({', '.join(e.names)})" if e.names else ""
    client = f"{e.client} " if e.client else ""
    to = ",".join(f"<{form.written(one)}>" for one in e.recipients[:_SHOWN])
    more = f" and {len(e.recipients) - _SHOWN} more" if len(e.recipients) > _SHOWN else ""
    tests = ",".join(f"{rule}={score:g}" for rule, score in e.tests[:_SHOWN])
    told = (
        ("quarantine: ", e.quarantined),
        ("Message-ID: ", e.message_id),
        ("Hits: ", "-" if e.score is None else f"{e.score:g}"),
        ("Tests: ", f"[{tests}]" if tests else ""),
        ("size: ", str(e.size)),
    )
    fields = "".join(f", {name}{value}" for name, value in told if value)
    return (
        f"{e.queue_id}: {e.action} {e.category}{names} {{{','.join(e.how)}}}, {client}<{form.written(e.sender)}> -> {to}{more}"
        f"{fields}, {e.seconds * 1000:.0f} ms"
    )


def _unsaid(e: records.Event, form: LineForm) -> str:
    return ""


def _screening_began(e: records.ScreeningBegan, form: LineForm) -> str:
    return f"CONNECT from {e.client} to {e.server}"


def _screened(e: records.Screened, form: LineForm) -> str:
    return f"{e.verdict} {e.client}"


def _spoke_early(e: records.SpokeEarly, form: LineForm) -> str:
    return f"PREGREET {e.octets} after {form.seconds(e.after)} from {e.client}: {e.said}"


def _dns_listed(e: records.DnsListed, form: LineForm) -> str:
    return f"DNSBL rank {e.rank} for {e.client}"


def _rule_broken(e: records.RuleBroken, form: LineForm) -> str:
    return f"{e.test} from {e.client} after {e.after}" + (f": {e.said}" if e.said else "")


def _hung_up(e: records.HungUp, form: LineForm) -> str:
    return f"HANGUP after {form.seconds(e.after)} from {e.client} in tests {e.phase}"


def _message_id(e: records.MessageId, form: LineForm) -> str:
    return f"{e.queue_id}: {'resent-' if e.resent else ''}message-id={e.message_id}"


def _picked_up(e: records.PickedUp, form: LineForm) -> str:
    before = f" orig_id={e.orig_id}" if e.orig_id else ""
    return f"{e.queue_id}: uid={e.uid} from=<{form.written(e.sender)}>{before}"


def _activated(e: records.Activated, form: LineForm) -> str:
    return f"{e.queue_id}: from=<{form.written(e.sender)}>, size={e.size}, nrcpt={e.recipients} (queue active)"


def _delivered(e: records.Delivered, form: LineForm) -> str:
    original = f" orig_to=<{form.written(e.original)}>," if e.original and e.original != e.recipient else ""
    reuse = f" conn_use={e.conn_use}," if e.conn_use > 1 else ""
    delay, delays = form.seconds(e.delay), "/".join(map(form.seconds, e.delays))
    return (
        f"{e.queue_id}: to=<{form.written(e.recipient)}>,{original} relay={e.relay},{reuse} delay={delay},"
        f" delays={delays}, dsn={e.dsn}, status={e.status} ({e.text})"
    )


def _removed(e: records.Removed, form: LineForm) -> str:
    return f"{e.queue_id}: removed"


def _notified(e: records.Notified, form: LineForm) -> str:
    return f"{e.queue_id}: {e.kind}: {e.notice_id}"


def _lines_lost(e: records.LinesLost, form: LineForm) -> str:
    return f"{e.severity}: {e.lines} log lines lost: {e.file}: {e.why}"


def _note_of_fields(e: notes.NoteOfFields, form: LineForm) -> str:
    severity = f"{e.severity}: " if e.severity else ""
    queue_id = getattr(e, "queue_id", "")
    return severity + (f"{queue_id}: " if queue_id else "") + e.words.format_map(structs.asdict(e))


def _note(e: records.Note, form: LineForm) -> str:
    severity = f"{e.severity}: " if e.severity else ""
    queue_id = f"{e.queue_id}: " if e.queue_id else ""
    # Postfix puts the severity before the queue id.
    return f"{severity}{queue_id}{e.text}"


_WORDS: dict[type[records.Event], Callable[[Any, LineForm], str]] = {
    records.Connected: _connected,
    records.Disconnected: _disconnected,
    records.SessionLost: _lost,
    records.Accepted: _accepted,
    records.Judged: _judged,
    records.Filtered: _filtered,
    records.ScreeningBegan: _screening_began,
    records.Screened: _screened,
    records.SpokeEarly: _spoke_early,
    records.DnsListed: _dns_listed,
    records.RuleBroken: _rule_broken,
    records.HungUp: _hung_up,
    records.MessageId: _message_id,
    records.Permitted: _unsaid,
    records.PickedUp: _picked_up,
    records.Activated: _activated,
    records.Delivered: _delivered,
    records.Removed: _removed,
    records.Notified: _notified,
    records.LinesLost: _lines_lost,
    records.Note: _note,
    **dict.fromkeys(notes.NoteOfFields.__subclasses__(), _note_of_fields),
}


_USUAL = LineForm()


def words(event: records.Event, form: LineForm = _USUAL) -> str:
    """What the log says of `event`, after the process name: one line of printable characters, or nothing."""
    text = _WORDS[type(event)](event, form)
    return text if text.isprintable() else printable(text)


def severity(event: records.Event) -> str:
    """`warning`, `error`, `fatal` or `panic`; empty for what is only told."""
    found: str = getattr(event, "severity", "")
    return found


def printable(text: str) -> str:
    """`text` with everything that is not printable replaced by `?`."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)


class Stamp:
    """The head of a line, `Nov  4 20:14:07 host`: made once a second."""

    __slots__ = ("_host", "_second", "_text")

    def __init__(self, host: str) -> None:
        self._host = host
        self._second = -1
        self._text = ""

    def at(self, now: float) -> str:
        """The head for `now`, seconds since 1970, in local time."""
        second = int(now)
        if second != self._second:
            t = time.localtime(second)
            self._second = second
            self._text = f"{_MONTHS[t.tm_mon - 1]} {t.tm_mday:2} {t.tm_hour:02}:{t.tm_min:02}:{t.tm_sec:02} {self._host}"
        return self._text
