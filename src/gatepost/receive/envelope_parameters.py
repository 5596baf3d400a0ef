"""Parameters of MAIL and RCPT (RFC 1870, 3030, 3461, 4954 §5, 6152, 6531, 8689; VERP_README): texts in, values or a refusal out."""

from collections.abc import Callable
from typing import Final

from msgspec import Struct, structs

from gatepost.mail.ascii_text import is_number, upper
from gatepost.proto.smtp import grammar
from gatepost.proto.smtp import server_replies as say
from gatepost.proto.smtp.notify import WORDS, notify_bits
from gatepost.proto.smtp.replies import ServerReply
from gatepost.receive.settings import SmtpdSettings
from gatepost.receive.transaction import Sender

_LARGEST: Final = 2**63 - 1


class Offer(Struct, frozen=True):
    """What a client is offered.

    - `discarded`: EHLO keywords that it is not.
    - `verp`: it is one of smtpd_authorized_verp_clients.
    - `requiretls`: it may ask for TLS on all the way.
    """

    settings: SmtpdSettings
    discarded: frozenset[str] = frozenset()
    verp: bool = False
    requiretls: bool = False

    @property
    def smtputf8(self) -> bool:
        return self.settings.smtputf8_enable and "SMTPUTF8" not in self.discarded

    @property
    def dsn(self) -> bool:
        return "DSN" not in self.discarded


def asks_for_verp(parameters: list[str]) -> bool:
    return any(upper(parameter[:5]) == "XVERP" for parameter in parameters)


# --- MAIL ---

_Take = Callable[[Offer, Sender, str], Sender | ServerReply | None]
"""Takes the value of a parameter: a Sender that has it, the reply that refuses it, None where it is no such option."""


def with_parameters(offer: Offer, sender: Sender, parameters: list[str]) -> Sender | ServerReply:
    """`sender` with MAIL's parameters, or the reply that refuses one."""
    for parameter in parameters:
        keyword, equals, value = parameter.partition("=")
        take = _MAIL.get(upper(keyword) + equals)
        taken = take(offer, sender, value) if take is not None else None
        if taken is None:
            return say.unsupported_option(parameter)
        if isinstance(taken, ServerReply):
            return taken
        sender = taken
    return say.NULL_VERP if sender.verp and not sender.address else sender


def _size(offer: Offer, sender: Sender, value: str) -> Sender | ServerReply:
    if not is_number(value):
        return say.BAD_SIZE
    return say.SIZE_OF_NO_FILE if int(value) > _LARGEST else structs.replace(sender, size=int(value))


_ENCODINGS: Final = {"7BIT": "7bit", "8BITMIME": "8bit", "BINARYMIME": "binary"}


def _body(offer: Offer, sender: Sender, value: str) -> Sender | None:
    encoding = _ENCODINGS.get(upper(value))
    if encoding is None or (encoding == "binary" and not offer.settings.smtpd_binarymime_enable):
        return None
    return structs.replace(sender, encoding=encoding)


def _smtputf8(offer: Offer, sender: Sender, value: str) -> Sender | None:
    return structs.replace(sender, smtputf8=True) if offer.smtputf8 else None


def _requiretls(offer: Offer, sender: Sender, value: str) -> Sender | None:
    """RFC 8689 §4.1: who was not offered it, in the clear above all, does not know that it is there."""
    return structs.replace(sender, requiretls=True) if offer.requiretls else None


def _ret(offer: Offer, sender: Sender, value: str) -> Sender | ServerReply:
    if not offer.dsn:
        return say.NO_DSN
    if sender.ret or upper(value) not in ("FULL", "HDRS"):
        return say.BAD_RET
    return structs.replace(sender, ret=upper(value))


def _envid(offer: Offer, sender: Sender, value: str) -> Sender | ServerReply:
    if not offer.dsn:
        return say.NO_DSN
    decoded = grammar.xtext(value)
    if sender.envid or not decoded or not (decoded.isascii() and decoded.isprintable()):
        return say.BAD_ENVID
    return structs.replace(sender, envid=decoded)


def _auth(offer: Offer, sender: Sender, value: str) -> Sender:
    """AUTH=<> or an address (RFC 4954 §5); without SASL it is only taken note of, as in Postfix."""
    decoded = grammar.xtext(value)
    return structs.replace(sender, sasl_sender=decoded) if decoded and value != "<>" else sender


def _default_verp(offer: Offer, sender: Sender, value: str) -> Sender | None:
    return structs.replace(sender, verp=offer.settings.default_verp_delimiters) if offer.verp else None


def _verp(offer: Offer, sender: Sender, value: str) -> Sender | ServerReply | None:
    allowed = offer.settings.verp_delimiter_filter
    if not offer.verp:
        return None
    return structs.replace(sender, verp=value) if len(value) == 2 and set(value) <= set(allowed) else say.bad_verp(allowed)


_MAIL: Final[dict[str, _Take]] = {
    "SIZE=": _size,
    "BODY=": _body,
    "SMTPUTF8": _smtputf8,
    "REQUIRETLS": _requiretls,
    "RET=": _ret,
    "ENVID=": _envid,
    "AUTH=": _auth,
    "XVERP": _default_verp,
    "XVERP=": _verp,
}


# --- RCPT ---


class Notification(Struct, frozen=True):
    """What RCPT says of notices (RFC 3461 §4.1-2).

    - `notify`: bits of Notify, 0 where nothing was said.
    - `orcpt`: the original recipient as `type;address`, empty where none was named.
    """

    notify: int = 0
    orcpt: str = ""


NO_NOTIFICATION: Final = Notification()


def notification(offer: Offer, parameters: list[str]) -> Notification | ServerReply:
    """NOTIFY and ORCPT, or the reply that refuses one."""
    notify, orcpt = 0, ""
    for parameter in parameters:
        keyword, equals, value = parameter.partition("=")
        match upper(keyword) + equals:
            case "NOTIFY=" | "ORCPT=" if not offer.dsn:
                return say.NO_DSN
            case "NOTIFY=":
                bits = notify_bits(value)
                if notify or not bits:
                    return say.BAD_NOTIFY
                notify = bits
            case "ORCPT=":
                decoded = grammar.original_recipient(value)
                if orcpt or decoded is None:
                    return say.BAD_ORCPT
                orcpt = decoded
            case _:
                return say.unsupported_option(parameter)
    return Notification(notify, orcpt)


def unknown_notice(parameters: list[str]) -> tuple[str, str] | None:
    """The first word of a NOTIFY that is none of its words, and that NOTIFY's value; None where there is no such word."""
    for parameter in parameters:
        keyword, _, value = parameter.partition("=")
        if upper(keyword) == "NOTIFY":
            for word in value.split(","):
                if word and upper(word) not in WORDS:
                    return word, value
    return None
