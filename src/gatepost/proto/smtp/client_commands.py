"""Commands of an SMTP or LMTP client as octets, each a pure function of what is to be said and what the server offered."""

import re
from collections.abc import Iterator, Mapping

from msgspec import Struct

from gatepost.mail.address import to_bytes
from gatepost.mail.ascii_text import SPACE, is_number, spaced_words, upper
from gatepost.mail.envelope import Notify

_NOT_XCHAR = re.compile(rb"[^\x21-\x2a\x2c-\x3c\x3e-\x7e]")
"""What xtext must encode (RFC 3461 §4): all but `!`..`~` without `+` and `=`."""

_NOTIFY = ((Notify.NEVER, b"NEVER"), (Notify.SUCCESS, b"SUCCESS"), (Notify.FAILURE, b"FAILURE"), (Notify.DELAY, b"DELAY"))
_BODY = {"7bit": b" BODY=7BIT", "8bit": b" BODY=8BITMIME", "binary": b" BODY=8BITMIME"}


_LONGEST_LIST = 2048
"""Characters of mechanisms, behind which no line adds any."""


class Capabilities(Struct, frozen=True):
    """What a server offered in its EHLO or LHLO reply. `keywords`: upper-case keyword -> its arguments."""

    keywords: Mapping[str, str] = {}

    def __contains__(self, keyword: object) -> bool:
        return keyword in self.keywords

    @property
    def size_limit(self) -> int:
        """Octets the server takes (RFC 1870), 0 where it does not say."""
        argument = self.keywords.get("SIZE", "")
        return int(argument) if is_number(argument) else 0


def capabilities(lines: tuple[bytes, ...], discard: frozenset[str] = frozenset()) -> Capabilities:
    """The keywords of an EHLO reply (RFC 5321 §4.1.1.1), less those of `discard` (lower case). The first line is the
    server's name. `AUTH=` of old servers counts as `AUTH`, and several lines of that as one."""
    keywords: dict[str, str] = {}
    for line in lines[1:]:
        word, _, argument = line.decode("ascii", "replace").strip(SPACE).replace("AUTH=", "AUTH ", 1).partition(" ")
        if word and word.lower() not in discard:
            before = keywords.setdefault(upper(word), argument.strip(SPACE))
            if upper(word) == "AUTH" and before != argument.strip(SPACE) and len(before) < _LONGEST_LIST:
                keywords["AUTH"] = f"{before} {argument}".strip(SPACE)
    return Capabilities(keywords)


def xtext(octets: bytes) -> bytes:
    """`octets` in xtext (RFC 3461 §4)."""
    return _NOT_XCHAR.sub(lambda found: b"+%02X" % found[0][0], octets)


class MailParameters(Struct, frozen=True):
    """Parameters of MAIL FROM. `size`: octets to declare, 0 not to; `body`: `7bit`, `8bit` or empty; `auth`: send `AUTH=<>`;
    `requiretls`: send REQUIRETLS, which only who has TLS may."""

    size: int = 0
    body: str = ""
    envid: str = ""
    ret: str = ""
    smtputf8: bool = False
    auth: bool = False
    requiretls: bool = False


def mail_from(sender: bytes, wanted: MailParameters, offered: Capabilities) -> bytes:
    """MAIL FROM with the parameters that the server knows (RFC 1870, 6152, 3461, 6531, 4954, 8689)."""
    command, keywords = b"MAIL FROM:<%b>" % sender, offered.keywords
    if wanted.size and "SIZE" in keywords:
        command += b" SIZE=%d" % wanted.size
    if wanted.body and "8BITMIME" in keywords:
        command += _BODY.get(wanted.body, b"")
    if "DSN" in keywords:
        if wanted.envid:
            command += b" ENVID=" + xtext(to_bytes(wanted.envid))
        if wanted.ret:
            command += b" RET=" + wanted.ret.encode()
    if wanted.smtputf8 and "SMTPUTF8" in keywords:
        command += b" SMTPUTF8"
    if wanted.auth and "AUTH" in keywords:
        command += b" AUTH=<>"
    if wanted.requiretls and "REQUIRETLS" in keywords:
        command += b" REQUIRETLS"
    return command + b"\r\n"


def rcpt_to(recipient: bytes, orcpt: str, notify: int, offered: Capabilities) -> bytes:
    """RCPT TO; `orcpt`: `type;address` decoded, `notify`: bits of Notify (RFC 3461 §4.1, §4.2)."""
    if "DSN" not in offered.keywords:
        return b"RCPT TO:<%b>\r\n" % recipient
    command = b"RCPT TO:<%b>" % recipient
    if orcpt:
        kind, _, address = orcpt.partition(";")
        command += b" ORCPT=%b;%b" % (xtext(to_bytes(kind)), xtext(to_bytes(address)))
    if notify:
        command += b" NOTIFY=" + b",".join(word for bit, word in _NOTIFY if notify & bit)
    return command + b"\r\n"


# XFORWARD_README: two commands, so that neither exceeds the length of a command line.
_XFORWARD = (("NAME", "ADDR", "PORT"), ("PROTO", "HELO", "IDENT", "SOURCE"))


def xforward(values: Mapping[str, str], offered: Capabilities) -> Iterator[bytes]:
    """XFORWARD commands with those attributes that have a value and that the server listed."""
    known = spaced_words(upper(offered.keywords.get("XFORWARD", "")))
    for names in _XFORWARD:
        words = [
            b"%b=%b" % (name.encode(), xtext(to_bytes(value))) for name in names if name in known and (value := values.get(name))
        ]
        if words:
            yield b"XFORWARD " + b" ".join(words) + b"\r\n"
