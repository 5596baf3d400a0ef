"""access(5): look something up, and do what the right-hand side says."""

import re
from collections.abc import Callable, Iterable

from gatepost.events.records import Note
from gatepost.lookup.port import LookupFailure, Table, Unavailable, find_line
from gatepost.mail.address_status import fitting
from gatepost.mail.ascii_text import SPACE, is_number, upper
from gatepost.policy.evaluation import DUNNO, PERMIT, Decision, Evaluation, Subject
from gatepost.policy.port import Stage

# RFC 3463 §2: class.subject.detail
_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:\s+|$)", re.ASCII)
_CODE = re.compile(r"([45]\d\d)(?=\s+\S)", re.ASCII)
_HEADER = re.compile(r"[!-9;-~]+[ \t]*:")


class Hit:
    """A table's answer, on its way to a decision: which table, which key, and whom it is about."""

    __slots__ = ("key", "subject", "table", "text", "verb")

    def __init__(self, table: str, key: str, value: str, subject: Subject) -> None:
        verb, _, text = value.partition(" ") if "\t" not in value else re.sub("[ \t]", " ", value, count=1).partition(" ")
        self.table = table
        self.key = key
        self.verb = verb
        self.text = text.strip(SPACE)
        self.subject = subject


async def search(e: Evaluation, table: Table, keys: Iterable[str], subject: Subject) -> Decision | None:
    """What `table` says of the first of `keys` that it has; None where it has none of them.

    A table of patterns sees the first key only. A table that cannot answer, or answers with nothing, refuses with 451.
    """
    for key in keys:
        try:
            found = await find_line(table, key)
        except LookupFailure as failure:
            if isinstance(failure, Unavailable):
                e.warn(f"{failure.table} is unavailable. {failure.why}")
            e.warn(f'{table.name} lookup error for "{key[:100]}"')
            return _unusable(e, table, key, subject, failure.why)
        if found is None:
            if table.whole_key:
                return None
            continue
        value, line = found
        if not value:
            e.warn(f"{table.name} lookup of {key} returns an empty string result")
            e.warn(f"{table.name} should return NO RESULT in case of NOT FOUND")
            return _unusable(e, table, key, subject, "empty string result")
        e.looked_up(table.name, key, value, line)
        return await obey(e, table.name, key, value, subject)
    return None


def _unusable(e: Evaluation, table: Table, key: str, subject: Subject, why: str) -> Decision:
    e.looked_up(table.name, key, why)
    return e.refuse(451, "4.3.5", f"{subject} rejected: Server configuration error", "data")


async def obey(e: Evaluation, table: str, key: str, value: str, subject: Subject) -> Decision:
    """Carry out an access(5) right-hand side, also where a policy server said it (then `table` names that server)."""
    if is_number(value):
        return e.grant(value, subject)  # what pop-before-smtp schemes leave behind
    said, value = value, value.strip(SPACE)
    if not value:
        e.warn(f"access table {table} entry {said} has empty value")  # sic: Postfix names what is empty
        return DUNNO
    hit = Hit(table, key, value, subject)
    verb = _VERBS.get(upper(hit.verb))
    if verb is not None:
        return verb(e, hit)
    if code := _CODE.match(value):
        return _reply(e, int(code[1]), "4.7.1" if value[0] == "4" else "5.7.1", hit)
    return await _restrictions(e, hit, value)


def is_action(value: str) -> bool:
    """Whether a right-hand side is an action or a reply; else it is a list of restrictions."""
    word = value.strip(SPACE).replace("\t", " ").partition(" ")[0]
    return upper(word) in _VERBS or is_number(word) or not value.strip(SPACE) or bool(_CODE.match(word))


async def _restrictions(e: Evaluation, hit: Hit, value: str) -> Decision:
    """The right-hand side is a list of restrictions; tables must not be named there, as they are opened at load time."""
    if ":" in value:
        e.warn(f"access table {hit.table} has entry with lookup table: {value}")
        e.warn("do not specify lookup tables inside SMTPD access maps")
        e.warn("define a restriction class and specify its name instead.")
        return e.server_error()
    return await e.nested(e.compile_result(value), hit.subject, hit.table, hit.key)


def split_enhanced(default: str, text: str) -> tuple[str, str]:
    """(enhanced code, text): the code that `text` starts with, else `default`."""
    found = _ENHANCED.match(text)
    return (found[1], text[found.end() :]) if found else (default, text)


def _status(e: Evaluation, default: str, hit: Hit) -> tuple[str, str]:
    """(enhanced code, text) of an entry; the code is such as may be said of the entry's subject."""
    enhanced, text = split_enhanced(default, hit.text)
    fit = fitting(enhanced, hit.subject.kind)
    if fit != enhanced:
        e.sources.emit(Note("smtpd", f"mapping DSN status {enhanced} into {hit.subject.kind} status {fit}"))
    return fit, text


def _reply(e: Evaluation, code: int, enhanced: str, hit: Hit, default: str = "Access denied") -> Decision:
    enhanced, text = _status(e, enhanced, hit)
    return e.refuse(code, enhanced, f"{hit.subject} rejected: {text or default}")


def _reject(e: Evaluation, hit: Hit) -> Decision:
    return _reply(e, e.settings.access_map_reject_code, "5.7.1", hit)


def _defer(e: Evaluation, hit: Hit) -> Decision:
    return _reply(e, e.settings.access_map_defer_code, "4.7.1", hit)


def _defer_if_permit(e: Evaluation, hit: Hit) -> Decision:
    enhanced, text = _status(e, "4.7.1", hit)
    text = f"{hit.subject} rejected: {text or 'Service unavailable'}"
    return e.postpone_permit(e.settings.access_map_defer_code, enhanced, text)


def _defer_if_reject(e: Evaluation, hit: Hit) -> Decision:
    enhanced, text = _status(e, "4.7.1", hit)
    text = f"{hit.subject} rejected: {text or 'Service unavailable'}"
    return e.postpone_reject(e.settings.access_map_defer_code, enhanced, text)


def _ok(e: Evaluation, hit: Hit) -> Decision:
    return e.grant(hit.verb, hit.subject)


def _dunno(e: Evaluation, hit: Hit) -> Decision:
    return DUNNO


def _log_only(e: Evaluation, hit: Hit) -> Decision:
    return e.act(hit.verb.lower(), hit.text, hit.subject)


_Act = Callable[[Evaluation, Hit], Decision]


def _within_mail(act: _Act) -> _Act:
    """`act` is for a message, of which there is none before MAIL FROM (smtpd_delay_reject = no, and ETRN)."""

    def guarded(e: Evaluation, hit: Hit) -> Decision:
        if e.facts.sender is None:
            skipped = f"action {upper(hit.verb)} is always skipped in Client host or Helo command restrictions"
            e.warn(f"access table {hit.table}: with smtpd_delay_reject=no, {skipped}")
            return DUNNO
        return act(e, hit)

    return guarded


def _on_the_message(act: _Act) -> _Act:
    """`act` is for the message's way through the queue: ETRN brings none, whoever names the action, and what goes through a
    before-queue filter comes to another queue."""
    within_mail = _within_mail(act)

    def guarded(e: Evaluation, hit: Hit) -> Decision:
        if e.facts.protocol_state == "ETRN":
            e.warn(f"access table {hit.table}: action {upper(hit.verb)} is unavailable in smtpd_etrn_restrictions")
            return DUNNO
        if e.sources.settings.smtpd_proxy_filter:
            e.warn(f"access table {hit.table}: with smtpd_proxy_filter specified, action {upper(hit.verb)} is unavailable")
            return DUNNO
        return within_mail(e, hit)

    return guarded


@_on_the_message
def _hold(e: Evaluation, hit: Hit) -> Decision:
    return e.act("hold", hit.text, hit.subject)


@_on_the_message
def _discard(e: Evaluation, hit: Hit) -> Decision:
    e.act("discard", hit.text, hit.subject)
    e.discarded = True
    return PERMIT


@_on_the_message
def _filter(e: Evaluation, hit: Hit) -> Decision:
    if not hit.text:
        e.warn(f'access table {hit.table} entry "{hit.key}" has FILTER entry without value')
        return DUNNO
    if ":" not in hit.text:
        e.warn(f'access table {hit.table} entry "{hit.key}" requires transport:destination')
        return DUNNO
    return e.act("filter", hit.text, hit.subject)


@_on_the_message
def _to_address(e: Evaluation, hit: Hit) -> Decision:
    """REDIRECT and BCC."""
    if "@" not in hit.text:
        e.warn(f'access table {hit.table} entry "{hit.key}" requires user@domain target')
        return DUNNO
    return e.act(hit.verb.lower(), hit.text, hit.subject)


@_within_mail
def _prepend(e: Evaluation, hit: Hit) -> Decision:
    if e.facts.protocol_state == "END-OF-MESSAGE":
        e.warn(f"access table {hit.table}: action PREPEND must be used before smtpd_{Stage.END_OF_DATA.value}_restrictions")
        return DUNNO
    if not _HEADER.match(hit.text):
        e.warn(f'access table {hit.table} entry "{hit.key}" requires header: text')
        return DUNNO
    return e.act("prepend", hit.text, hit.subject)


_VERBS: dict[str, _Act] = {
    "BCC": _to_address,
    "DEFER": _defer,
    "DEFER_IF_PERMIT": _defer_if_permit,
    "DEFER_IF_REJECT": _defer_if_reject,
    "DISCARD": _discard,
    "DUNNO": _dunno,
    "FILTER": _filter,
    "HOLD": _hold,
    "INFO": _log_only,
    "OK": _ok,
    "PREPEND": _prepend,
    "REDIRECT": _to_address,
    "REJECT": _reject,
    "RELAY": _ok,
    "WARN": _log_only,
}
