"""Functions of SPF, DKIM and DMARC: what others have found out of a sender.

SPF is the session's: the policy has asked before the message came. Nobody verifies signatures yet, so the functions of DKIM and
DMARC have no facts, find nothing, and stand in `UNAVAILABLE`, by which `gatepost check` names them.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final

from gatepost.filter.evals.patterns import globs
from gatepost.filter.port import Eval, Examined

_RESULTS: Final = ("pass", "neutral", "none", "fail", "softfail", "permerror", "temperror")


def _sender(result: str, mail: Examined, _: Sequence[str]) -> int:
    return int(mail.session.spf == result)


def _helo(result: str, mail: Examined, _: Sequence[str]) -> int:
    return int(mail.session.spf_helo == result)


def check_spf_skipped_noenvfrom(mail: Examined, _: Sequence[str]) -> int:
    """There is no envelope sender that SPF could be asked of."""
    return int(mail.headers.get("EnvelopeFrom") is None)


def _listed(options: tuple[str, ...], mail: Examined, _: Sequence[str]) -> int:
    """SPF lets pass a sender whom the administrator lists."""
    patterns = tuple(" ".join(line for name in options for line in mail.option(name)).split())
    if mail.session.spf != "pass" or not patterns:
        return 0
    return int(globs(patterns).fullmatch((mail.headers.get("EnvelopeFrom:addr") or b"").lower()) is not None)


_WELCOME: Final = partial(_listed, ("welcomelist_from_spf", "welcomelist_auth"))
_WELCOME_BY_DEFAULT: Final = partial(_listed, ("def_welcomelist_from_spf", "def_welcomelist_auth"))

_SPF: Final[dict[str, Eval]] = {
    **{f"check_for_spf_{result}": partial(_sender, result) for result in _RESULTS},
    **{f"check_for_spf_helo_{result}": partial(_helo, result) for result in _RESULTS},
    "check_spf_skipped_noenvfrom": check_spf_skipped_noenvfrom,
    "check_for_spf_welcomelist_from": _WELCOME,
    "check_for_spf_whitelist_from": _WELCOME,
    "check_for_def_spf_welcomelist_from": _WELCOME_BY_DEFAULT,
    "check_for_def_spf_whitelist_from": _WELCOME_BY_DEFAULT,
}

_NO_SIGNATURES: Final = "signatures of DKIM and ARC are not verified"
_NO_DMARC: Final = "DMARC is not evaluated"

_OF_DKIM: Final = """
    check_dkim_signed check_arc_signed check_dkim_valid check_arc_valid check_dkim_valid_author_sig check_dkim_testing
    check_dkim_valid_envelopefrom check_dkim_adsp check_dkim_dependable check_dkim_verified check_dkim_signall
    check_dkim_signsome check_for_dkim_welcomelist_from check_for_dkim_whitelist_from check_for_def_dkim_welcomelist_from
    check_for_def_dkim_whitelist_from
"""
_OF_DMARC: Final = "check_dmarc_pass check_dmarc_reject check_dmarc_quarantine check_dmarc_none check_dmarc_missing"

UNAVAILABLE: Final[dict[str, str]] = {
    **dict.fromkeys(_OF_DKIM.split(), _NO_SIGNATURES),
    **dict.fromkeys(_OF_DMARC.split(), _NO_DMARC),
}
"""Functions that have nothing to say, and why."""


def _nothing(_mail: Examined, _arguments: Sequence[str]) -> int:
    return 0


EVALS: Final[dict[str, Eval]] = {**_SPF, **dict.fromkeys(UNAVAILABLE, _nothing)}
