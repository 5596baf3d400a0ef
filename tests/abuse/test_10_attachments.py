"""Class 10: messages that one program reads so and another otherwise, to hide what is attached (CVE-2024-28054 of amavisd-new).

What is hidden is found, or the message counts as unchecked; it is never clean.
"""

import asyncio
import base64

import pytest

from gatepost.filter.archives.banned import banned
from gatepost.filter.archives.listing import listed
from gatepost.filter.archives.port import ArchiveFacts, ArchiveLimits, Unchecked
from gatepost.filter.text.parts import parts
from gatepost.lookup.registry import Tables
from tests.support.archives import PROGRAM, zipped
from tests.support.settings import CONFIGURATION

BASE64 = b"Content-Transfer-Encoding: base64\n"
EVIL = base64.encodebytes(zipped(("evil.exe", PROGRAM)))


def multipart(part: bytes, kind: bytes = b"multipart/mixed; boundary=b", boundary: bytes = b"b") -> bytes:
    return b"From: a@b.test\nContent-Type: %b\n\n--%b\n%b\n--%b--\n" % (kind, boundary, part, boundary)


def attachment(headers: bytes, octets: bytes = EVIL) -> bytes:
    return multipart(headers + b"\n" + octets)


HIDDEN = {
    "two boundaries, the first": multipart(BASE64 + b"\n" + EVIL, b"multipart/mixed; boundary=b; boundary=c"),
    "two boundaries, the last": multipart(BASE64 + b"\n" + EVIL, b"multipart/mixed; boundary=c; boundary=b"),
    "two Content-Types": multipart(BASE64 + b"\n" + EVIL, b"text/plain\nContent-Type: multipart/mixed; boundary=b"),
    "two Content-Types, the first": multipart(BASE64 + b"\n" + EVIL, b"multipart/mixed; boundary=b\nContent-Type: text/plain"),
    "two encodings": attachment(b"Content-Type: a/b\n" + BASE64 + b"Content-Transfer-Encoding: 7bit\n"),
    "two encodings, the last": attachment(b"Content-Type: a/b\nContent-Transfer-Encoding: 7bit\n" + BASE64),
    "a comment in the type": attachment(b"Content-Type: (x) text/plain (y)\n" + BASE64),
    "a comment in the encoding": attachment(b"Content-Transfer-Encoding: (x) base64 (y)\n"),
    "NUL in a boundary": multipart(BASE64 + b"\n" + EVIL, b'multipart/mixed; boundary="b\0c"'),
    "an encoded multipart": b"Content-Type: multipart/mixed; boundary=b\n" + BASE64 + b"\n"
    + base64.encodebytes(b"--b\n" + BASE64 + b"\n" + EVIL + b"\n--b--\n"),
    "base64 behind its end": attachment(BASE64, base64.b64encode(b"hi") + b"\n" + EVIL),
    "base64 among rubbish": attachment(BASE64, EVIL.replace(b"A", b"*A-")),
    "the name in filename alone": attachment(b"Content-Type: a/b; name=a.txt\nContent-Disposition: a; filename=a.exe\n", b"x"),
    "the name in pieces": attachment(b'Content-Type: a/b; name*0="a."; name*1="exe"\n', b"x"),
    "the name encoded": attachment(b'Content-Type: a/b; name="=?utf-8?B?YS5leGU=?="\n', b"x"),
    "the name as %XX": attachment(b"Content-Type: a/b; name*=utf-8''a%2Eexe\n", b"x"),
    "the second of two names": attachment(b"Content-Type: a/b; name=a.txt; name=a.exe\n", b"x"),
    "a name that turns round": attachment("Content-Type: a/b; name=\"txt\u202e.exe\"\n".encode(), b"x"),
    "another name for a program": attachment(BASE64 + b"Content-Type: image/png; name=a.png\n", base64.encodebytes(PROGRAM)),
    "a zip behind a picture": attachment(BASE64, base64.encodebytes(b"\x89PNG\r\n\x1a\n" + zipped(("evil.exe", PROGRAM)))),
    "another name within a zip": attachment(BASE64, base64.encodebytes(zipped(("a.txt", b"x")).replace(b"a.txt", b"a.exe", 1))),
    "uuencode in text": b"Content-Type: text/plain\n\nbegin 644 a.exe\n#86)C\n`\nend\n",
    "in a message in a message": b"Content-Type: message/rfc822\n\n" * 2 + attachment(BASE64),
}  # fmt: skip


def found(message: bytes) -> tuple[ArchiveFacts, int]:
    facts = listed(parts(message), len(message), ArchiveLimits())
    maps = Tables(print, print).maps(CONFIGURATION.value("filter_banned_maps"), "filter_banned_maps")
    return facts, len(asyncio.run(banned(facts, maps)))


@pytest.mark.parametrize("name", HIDDEN)
def test_what_is_hidden_is_banned_or_unchecked(name: str) -> None:
    facts, count = found(HIDDEN[name])
    assert count or Unchecked.AMBIGUOUS in facts.unchecked or Unchecked.DAMAGED in facts.unchecked


def test_an_honest_message_is_neither() -> None:
    facts, count = found(
        attachment(b'Content-Type: application/zip; name="a.zip"\n' + BASE64, base64.encodebytes(zipped(("a.txt", b"x"))))
    )
    assert (count, facts.unchecked) == (0, ())
