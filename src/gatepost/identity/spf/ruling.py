"""What is to become of a message by its SPF result: an action, the reply that goes with it, and the header (RFC 7208 §8)."""

from collections.abc import Callable, Mapping

from msgspec import Struct

from gatepost.identity.spf import header
from gatepost.identity.spf.check import Finding, Lists
from gatepost.identity.spf.header import About
from gatepost.identity.spf.port import Identity, Result, Verdict
from gatepost.identity.spf.settings import SpfSettings

DUNNO = "dunno"
REFUSALS = frozenset({"reject", "defer", "defer_if_permit"})
"""Actions whose reply is ours to word. Whatever else is an action of access(5) with its own words."""

_NOT_PASS = frozenset({Result.SOFTFAIL, Result.NEUTRAL})

# RFC 7372 §3.2: SPF validation failed, SPF validation error.
_ENHANCED = {Result.TEMPERROR: "7.24", Result.PERMERROR: "7.24"}
_FAILED = "7.23"

_WORDS: Mapping[Result, str] = {
    Result.NONE: "SPF none - no policy",
    Result.NEUTRAL: "SPF neutral - not known to be authorized",
    Result.PASS: "SPF pass - authorized",
    Result.FAIL: "SPF fail - not authorized",
    Result.SOFTFAIL: "SPF softfail - probably not authorized",
    Result.TEMPERROR: "SPF temporary error",
    Result.PERMERROR: "SPF permanent error",
}


class Ruling(Struct, frozen=True):
    """What to do.

    - `action`: `dunno`, one of REFUSALS, or another action of access(5) as configured.
    - `verdict`: the one that decided; None where there is none.
    - `code`, `enhanced`, `text`: the reply of a refusal; `text` does not say whom it is about.
    """

    action: str = DUNNO
    verdict: Verdict | None = None
    code: int = 0
    enhanced: str = ""
    text: str = ""


async def rule(finding: Finding, settings: SpfSettings, lists: Lists) -> Ruling:
    """HELO is asked first: what it is refused for needs no MAIL FROM. Raises LookupFailure."""
    helo = finding.helo
    if helo is not None and helo.result not in (Result.PASS, Result.NONE):
        action = await _action(helo, settings, lists)
        if action != DUNNO:
            return _ruling(action, helo)
    verdict = finding.decisive
    return _ruling(await _action(verdict, settings, lists), verdict) if verdict is not None else Ruling()


async def _action(verdict: Verdict, settings: SpfSettings, lists: Lists) -> str:
    """The configured action, in lower case where it is a word of ours."""
    result = verdict.result
    if result in _NOT_PASS and await lists.reject_not_pass_domains.matches(verdict.domain):
        result = Result.FAIL
    name = f"spf_{result.value}_action"
    if verdict.identity is Identity.HELO:
        name = _OF_HELO.get(result, name)
    action: str = getattr(settings, name)
    if result is Result.FAIL and settings.spf_reject_no_mail_only and not verdict.sends_no_mail:
        return DUNNO
    word = action.strip().lower()
    return word if word in REFUSALS or word == DUNNO else action.strip() or DUNNO


_OF_HELO = {
    Result.FAIL: "spf_helo_fail_action",
    Result.SOFTFAIL: "spf_helo_softfail_action",
    Result.NEUTRAL: "spf_helo_neutral_action",
}


def _ruling(action: str, verdict: Verdict) -> Ruling:
    if action not in REFUSALS:
        return Ruling(action, verdict)
    for_good = action == "reject" and verdict.result is not Result.TEMPERROR
    code = 550 if for_good else 451
    enhanced = f"{code // 100}.{_ENHANCED.get(verdict.result, _FAILED)}"
    return Ruling(action if for_good or action != "reject" else "defer", verdict, code, enhanced, _words(verdict))


def _words(verdict: Verdict) -> str:
    """What a client is told. Explanations are a stranger's words, and said to be (RFC 7208 §8.4)."""
    words = _WORDS[verdict.result]
    if verdict.problem:
        words = f"{words}: {verdict.problem}"
    if verdict.explanation:
        words = f"{words}; {verdict.domain} explains: {verdict.explanation}"
    return words


_HEADERS: Mapping[str, tuple[Callable[[Verdict, About], str], Callable[[str, About], str]]] = {
    "spf": (header.received_spf, header.skipped),
    "ar": (header.authentication_results, header.skipped_results),
}
"""Word of spf_header_type -> who writes it of a verdict, and of a client that was skipped."""


def headers(finding: Finding, settings: SpfSettings) -> tuple[str, ...]:
    """What the message is told: a line for each word of spf_header_type."""
    client, verdict = finding.client, finding.decisive
    about = About(client.address, client.helo, client.sender, settings.myhostname, settings.authserv_id)
    writers = [_HEADERS[kind] for kind in settings.spf_header_type]
    if finding.skipped:
        return tuple(write(finding.skipped, about) for _, write in writers)
    return tuple(write(verdict, about) for write, _ in writers) if verdict is not None else ()
