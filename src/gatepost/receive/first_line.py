"""The first line of a message that others hand in, which must begin its header (smtpd(8), qmqpd(8))."""

from typing import Final

_MBOX: Final = b"X-Mailbox-Line: "


def mended(chunk: bytes) -> bytes:
    """The first octets of a message, the whole first line or its begin: a mailbox's separator becomes a header, and before a line
    that begins with a blank the header ends."""
    if chunk[0] in b" \t":
        return b"\r\n" + chunk
    if chunk[:5] == b"From " or (chunk[:1] == b">" and chunk.lstrip(b">").startswith(b"From ")):
        return _MBOX + chunk
    return chunk
