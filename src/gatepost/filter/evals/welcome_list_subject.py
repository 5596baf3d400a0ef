"""Functions of WelcomeListSubject: subjects that the administrator lists (perldoc
Mail::SpamAssassin::Plugin::WelcomeListSubject)."""

from collections.abc import Sequence
from typing import Final

from gatepost.filter.evals.patterns import globs
from gatepost.filter.port import Eval, Examined


def _listed(mail: Examined, option: str) -> int:
    patterns = tuple([f"*{pattern}*" for pattern in mail.option(option)])
    return int(bool(patterns) and globs(patterns).fullmatch(mail.headers.get("Subject") or b"") is not None)


def check_subject_in_welcomelist(mail: Examined, _: Sequence[str]) -> int:
    """Subject holds one of `welcomelist_subject`."""
    return _listed(mail, "welcomelist_subject")


def check_subject_in_blocklist(mail: Examined, _: Sequence[str]) -> int:
    """Subject holds one of `blocklist_subject`."""
    return _listed(mail, "blocklist_subject")


EVALS: Final[dict[str, Eval]] = {
    "check_subject_in_welcomelist": check_subject_in_welcomelist,
    "check_subject_in_whitelist": check_subject_in_welcomelist,
    "check_subject_in_blocklist": check_subject_in_blocklist,
    "check_subject_in_blacklist": check_subject_in_blocklist,
}
