"""Enhanced status codes about addresses (RFC 3463 §3.2: X.1.Y) that a table gives: made such as fit what the reply is about."""

from typing import Final

_OF_SENDERS: Final = {
    "0": "0",
    "1": "7",  # bad mailbox: bad sender's mailbox
    "2": "8",  # bad system: bad sender's system
    "3": "7",
    "4": "7",
    "5": "0",
    "6": "7",
    "7": "7",
    "8": "8",
}
_OF_RECIPIENTS: Final = {**{str(detail): str(detail) for detail in range(7)}, "7": "3", "8": "2"}
_OF: Final = {"Sender address": _OF_SENDERS, "Recipient address": _OF_RECIPIENTS}


def fitting(status: str, kind: str) -> str:
    """`status` as it may stand in a reply about `kind` (`Sender address`, `Client host` ...): what says more than can be true of
    that says less, as in Postfix. Only the two kinds of addresses have statuses about addresses."""
    cls, subject, detail = status.split(".")
    if subject != "1":
        return status
    details = _OF.get(kind)
    return f"{cls}.0.0" if details is None else f"{cls}.1.{details.get(detail, '0')}"
