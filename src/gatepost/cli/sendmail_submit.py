"""A message from standard input into the maildrop."""

import errno
import os
import pwd
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from msgspec import UNSET

from gatepost.cli.command import Command, Fatal
from gatepost.cli.sendmail_options import Asked
from gatepost.mail import header
from gatepost.mail.address import external
from gatepost.mail.envelope import Recipient
from gatepost.receive import maildrop
from gatepost.receive.local_submission import addresses, header_recipients
from gatepost.receive.unix_lines import LineEnds, SizeExceeded, wire_form

_HEADER_ROOM = 1 << 24  # octets of a header section that -t looks at


def submit(command: Command, found: Asked, source: BinaryIO) -> int:
    """Leave the message that `source` gives; 0, or Fatal."""
    user = _User()
    sender = _sender(command, found, user)
    tag = f"{sender}({user.uid})"  # as Postfix's diagnostics name who submits
    if not (found.recipients or found.extract):
        raise Fatal(f"{tag}: Recipient addresses must be specified on the command line or via the -t option")
    _authorize(command, user, sender)
    verp = _verp(command, found)
    if verp and not sender:
        raise Fatal(f"{tag}: -V option requires non-null sender address")
    ends = LineEnds(command.value("sendmail_fix_line_endings").lower())
    limit = int(command.value("message_size_limit"))
    recipients = [one for text in found.recipients for one in addresses(text)]
    content: Iterable[bytes] = wire_form(source, ends, dot_ends=found.dot_ends, limit=limit)
    if found.verify:
        content = _probe(sender, recipients)
    if found.extract:
        head, content = _header_section(iter(content))
        recipients += header_recipients(header.split(head).headers)
        if not recipients:
            raise Fatal(f"{tag}: No recipient addresses found in message header")
    submission = maildrop.Submission(
        sender=sender,
        recipients=tuple(Recipient(one, one, notify=found.notify) for one in recipients),
        fullname=found.fullname or user.fullname,
        encoding=found.encoding,
        envid=found.envid,
        ret=found.ret,
        verp=verp,
        trace="verify" if found.verify else "deliver" if found.verbose == 1 else "",
        gateway=found.gateway,
    )
    _leave(command, tag, submission, content)
    if submission.trace:
        print(f"Mail Delivery Status Report will be mailed to <{external(sender)}>.")
    return 0


def _probe(sender: str, recipients: list[str]) -> Iterator[bytes]:
    """What stands for a message where only its delivery is asked about (-bv)."""
    to = ",\r\n\t".join(external(one) for one in recipients)
    yield f"From: {external(sender)}\r\nSubject: probe\r\nTo:\t{to}\r\n".encode("utf-8", "surrogateescape")


class _User:
    """The user who submits."""

    def __init__(self) -> None:
        self.uid = os.getuid()
        try:
            entry = pwd.getpwuid(self.uid)
        except KeyError:
            raise Fatal(f"no login name found for user ID {self.uid}") from None
        self.name = entry.pw_name
        # RFC-less custom: the first part of the gecos field, in which & stands for the login name.
        gecos = entry.pw_gecos.partition(",")[0].replace("&", self.name.capitalize())
        self.fullname = os.environ.get("NAME") or gecos


def _sender(command: Command, found: Asked, user: _User) -> str:
    if found.sender is UNSET:
        return user.name
    assert isinstance(found.sender, str)
    senders = addresses(found.sender)
    if len(senders) > 1:
        command.warn(f"-f option specified malformed sender: {found.sender}")
    return senders[0]


def _authorize(command: Command, user: _User, sender: str) -> None:
    """Whether the user may submit mail as `sender`; pickup will ask again. Raises Fatal."""
    from gatepost.config.configuration import ConfigurationError
    from gatepost.lookup.port import LookupFailure
    from gatepost.service import submission_rights

    try:
        if not submission_rights.everybody_may(command.configuration):
            import asyncio

            from gatepost.lookup.registry import Tables
            from gatepost.lookup.server_access import ServerAccess

            tables = Tables(command.warn, access=ServerAccess(lambda: command.configuration))
            asyncio.run(submission_rights.check(command.configuration, user.uid, sender, tables))
    except submission_rights.NotAllowed as refusal:
        raise Fatal(str(refusal), status=os.EX_NOPERM) from None
    except (LookupFailure, ConfigurationError) as error:
        raise Fatal(str(error)) from None


def _verp(command: Command, found: Asked) -> str:
    if not isinstance(found.verp, str):
        return ""
    delimiters = found.verp or command.value("default_verp_delimiters")
    allowed = command.value("verp_delimiter_filter")
    if len(delimiters) != 2 or any(one not in allowed for one in delimiters):
        raise Fatal(f"-V requires two characters from {allowed}")
    return delimiters


def _header_section(chunks: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """(the octets up to where the header section ends at the latest, the whole content)."""
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) > _HEADER_ROOM or header.split(head).complete:
            break

    def whole() -> Iterator[bytes]:
        yield head
        yield from chunks

    return head, whole()


def _leave(command: Command, tag: str, submission: maildrop.Submission, content: Iterable[bytes]) -> None:
    folder = command.queue_directory / "maildrop"
    try:
        maildrop.write(folder, submission, content)
    except SizeExceeded:
        raise Fatal(f"{tag}: message file too big") from None
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.EACCES):
            raise Fatal(f"{folder}: {error.strerror}: has the mail system ever been started? It makes this folder") from None
        raise Fatal(f"{folder}: {error.strerror}") from None
