"""What the words of a next hop, or their absence, mean for a recipient: Outcome, in Postfix's wording (smtp(8), RFC 3463)."""

import os
from collections.abc import Iterable, Iterator
from typing import Final

from gatepost.deliver.plan import Host
from gatepost.deliver.smtp_connection import Broken, Trouble
from gatepost.mail.outcome import Class, Outcome
from gatepost.mail.reason import UNSAID, Reason, because
from gatepost.proto.smtp.client import Answer, ClientStage
from gatepost.proto.smtp.reply_reader import LINE_LIMIT, Odd, Oddity, Reply

_DOING = {
    ClientStage.GREETING: "receiving the initial server greeting",
    ClientStage.HELLO: "performing the EHLO handshake",
    ClientStage.HELO: "performing the HELO handshake",
    ClientStage.STARTTLS: "receiving the STARTTLS response",
    ClientStage.AUTH: "performing the EHLO handshake",
    ClientStage.XFORWARD_NAME: "sending XFORWARD name/address",
    ClientStage.XFORWARD_HELO: "sending XFORWARD protocol/helo_name",
    ClientStage.MAIL: "sending MAIL FROM",
    ClientStage.RCPT: "sending RCPT TO",
    ClientStage.DATA: "sending DATA command",
    ClientStage.CONTENT: "sending message body",
    ClientStage.DOT: "sending end of data -- message may be sent more than once",
    ClientStage.RSET: "sending final RSET",
    ClientStage.QUIT: "sending QUIT",
    ClientStage.IDLE: "sending MAIL FROM",
}
RULES: Final = {
    ClientStage.GREETING: "greeting",
    ClientStage.HELLO: "EHLO",
    ClientStage.HELO: "HELO",
    ClientStage.STARTTLS: "STARTTLS",
    ClientStage.AUTH: "AUTH",
    ClientStage.XFORWARD_NAME: "XFORWARD",
    ClientStage.XFORWARD_HELO: "XFORWARD",
    ClientStage.MAIL: "MAIL FROM",
    ClientStage.RCPT: "RCPT TO",
    ClientStage.DATA: "DATA",
    ClientStage.CONTENT: "message body",
    ClientStage.DOT: "end of data",
    ClientStage.RSET: "RSET",
    ClientStage.QUIT: "QUIT",
    ClientStage.IDLE: "MAIL FROM",
}
"""What a reason names as the rule: the stage of the conversation at which the host refused or fell silent."""
_COMMAND = {
    ClientStage.MAIL: "MAIL FROM command",
    ClientStage.RCPT: "RCPT TO command",
    ClientStage.DATA: "DATA command",
    ClientStage.DOT: "end of DATA command",
}


_ACCEPTED = frozenset({(2, ClientStage.DOT), (2, ClientStage.RCPT), (3, ClientStage.DATA)})
"""What takes a message; the last two, an address that is only asked for."""

_PROTOCOL_ERROR = "5.5.0"
"""Of a reply of a class that was not due; the server must not be asked again and again."""


def _class_of(reply: Reply) -> Class:
    """A refusal that is no 4xx is permanent, a reply of a class that was not due as well."""
    return Class.TEMPORARY if reply.cls == 4 else Class.PERMANENT


def status_of(reply: Reply, cls: Class) -> str:
    """The reply's enhanced status code, or the plain one of `cls` where it has none of that class."""
    if cls is Class.PERMANENT and reply.cls != 5:
        return _PROTOCOL_ERROR
    enhanced = reply.enhanced
    if not enhanced:
        return f"{cls.value}.0.0"
    return enhanced if enhanced[0] == str(cls.value) else f"{cls.value}{enhanced[1:]}"


def said(answer: Answer, label: str, name: str) -> Outcome:
    """The outcome of an answer: accepted, or `host ... said`. `label`: `name[address]`; `name` for Remote-MTA."""
    reply = answer.reply
    if (reply.cls, answer.stage) in _ACCEPTED:
        return Outcome(Class.OK, status_of(reply, Class.OK), reply.text, reply.code, UNSAID, f"dns; {name}", f"smtp; {reply.text}")
    text = f"host {label} said: {reply.text} (in reply to {_COMMAND[answer.stage]})"
    if reply.cls == 2:
        text = f"Protocol error: {text}"
    return _told(reply, _class_of(reply), text, name, because(RULES[answer.stage], label, reason=reply.text))


def refused(reply: Reply, label: str, name: str, *, soften: bool) -> Outcome:
    """The server would not talk. `soften`: take a 5xx greeting for a temporary failure (smtp_skip_5xx_greeting)."""
    cls = Class.TEMPORARY if soften else _class_of(reply)
    why = because(RULES[ClientStage.GREETING], label, reason=reply.text)
    return _told(reply, cls, f"host {label} refused to talk to me: {reply.text}", name, why)


def refused_tls(reply: Reply, label: str, name: str) -> Outcome:
    """The server offers STARTTLS, which we must use, and refuses it."""
    text = f"TLS is required, but host {label} refused to start TLS: {reply.text}"
    return _told(reply, _class_of(reply), text, name, because(RULES[ClientStage.STARTTLS], label, reason=reply.text))


def _told(reply: Reply, cls: Class, text: str, name: str, why: Reason) -> Outcome:
    return Outcome(cls, status_of(reply, cls), text, reply.code, why, f"dns; {name}", f"smtp; {reply.text}")


def broken(trouble: Broken, label: str, *, lmtp: bool = False) -> Outcome:
    """The conversation broke off."""
    doing = _DOING[trouble.stage]
    if lmtp and trouble.stage in (ClientStage.HELLO, ClientStage.AUTH):
        doing = "performing the LHLO handshake"
    enhanced, text, reason = _broken_words(trouble, label, doing)
    return Outcome(Class.TEMPORARY, enhanced, text, why=because(RULES[trouble.stage], label, reason=reason))


def _broken_words(trouble: Broken, label: str, doing: str) -> tuple[str, str, str]:
    """(enhanced status code, text, reason)."""
    match trouble.trouble:
        case Trouble.LOST:
            return "4.4.2", f"lost connection with {label} while {doing}", "lost connection"
        case Trouble.TIMEOUT:
            return "4.4.2", f"conversation with {label} timed out while {doing}", "timed out"
        case Trouble.LOCAL:
            return "4.3.0", f"local data error while talking to {label}", trouble.words
        case Trouble.GARBAGE:
            return "4.5.0", f"malformed reply from {label} while {doing}: {trouble.words}", f"malformed reply: {trouble.words}"


def unreachable(error: OSError, relay: str) -> Outcome:
    """No connection. `relay`: `name[address]:port`."""
    if isinstance(error, TimeoutError):
        why = "Connection timed out"
    else:
        why = os.strerror(error.errno) if error.errno else str(error)
    return Outcome(Class.TEMPORARY, "4.4.1", f"connect to {relay}: {why}", why=because("connect", relay, reason=why))


def remarks(oddities: Iterable[Oddity], host: Host, queue_id: str, *, lmtp: bool = False) -> Iterator[str]:
    """What Postfix warns of odd replies."""
    for odd in oddities:
        match odd.kind:
            case Odd.LONG_LINE:
                yield f"{host.relay}: response longer than {LINE_LIMIT}: {odd.start[:30]}..."
            case Odd.LONG_REPLY:
                yield f"{host.relay}: multi-line response longer than {LINE_LIMIT} {odd.start[:30]}..."
            case Odd.NOISE:
                protocol, parameter = ("LMTP", "lmtp_discard_lhlo") if lmtp else ("ESMTP", "smtp_discard_ehlo")
                yield f"{queue_id}: non-{protocol} response from {host.relay}: {odd.start}"
                yield (
                    f"to prevent loss of mail, turn off command pipelining for {host.address} "
                    f"with the {parameter}_keyword_address_maps parameter"
                )
