"""smtp_header_checks and its kin: what is changed, what is logged, and what is not there."""

import asyncio
import gc
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gatepost.content import generic
from gatepost.content.aside import UnnamedContent
from gatepost.content.check_maps import KINDS, check_maps
from gatepost.content.outgoing_checks import OutgoingChecks
from gatepost.events.maillog import words
from gatepost.events.records import Event
from gatepost.lookup.registry import Tables
from gatepost.mail.content import Content, FileContent, MemoryContent
from gatepost.mail.mime import Limits
from gatepost.mail.queue_id import QueueId

ID = QueueId(1_800_000_000_000_000, 1)
MESSAGE = (
    b'Received: from inside\r\n\tby us\r\nSubject: secret\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n'
    b"--b\r\nContent-Type: text/plain\r\n\r\ncard 1234\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
    b"Subject: nested\r\n\r\nbye\r\n--b--\r\n"
)


def checked(folder: Path, content: bytes = MESSAGE, **checks: str) -> tuple[bytes, list[str]]:
    """What a content becomes under checks given as rules of a regexp table by kind (header, mime, nested, body); and the log."""
    events: list[Event] = []
    tables = Tables(lambda text: None)
    names = zip(("header", "mime", "nested", "body"), KINDS, strict=True)
    maps = check_maps(
        tables, {f"smtp_{kind}": f"regexp:{{ {{{checks[name]}}} }}" if name in checks else "" for name, kind in names}
    )
    checker = OutgoingChecks(maps, limits=Limits(), service="smtp", emit=events.append, staging=lambda: folder / "staged")
    found: Content = asyncio.run(checker(MemoryContent(content), str(ID)))
    assert found.size == len(found.read())
    return found.read(), [words(event) for event in events]


@pytest.mark.parametrize(
    ("checks", "before", "after", "log"),
    [
        ({"header": "/^Received:/ IGNORE"}, b"Received: from inside\r\n\tby us\r\n", b"", []),
        ({"header": "/^Subject:/ STRIP why"}, b"Subject: secret\r\n", b"", ["strip: header Subject: secret: why"]),
        (
            {"header": "/^Subject:/ REPLACE Subject: none"},
            b"Subject: secret", b"Subject: none", ["replace: header Subject: secret: Subject: none"],
        ),
        ({"header": "/^Subject:/ PREPEND X: y"}, b"Subject", b"X: y\r\nSubject", ["prepend: header Subject: secret: X: y"]),
        ({"header": "/inside/ WARN"}, b"", b"", ["warning: header Received: from inside?\tby us".replace("\t", "?")]),
        ({"header": "/secret/ REJECT no"}, b"", b"", ["warning: unsupported command in smtp_header_checks map: REJECT no"]),
        ({"mime": "/plain/ REPLACE A:b"}, b"Content-Type: text/plain", b"A:b", ["replace: header Content-Type: text/plain: A:b"]),
        ({"nested": "/Subject/ IGNORE"}, b"Subject: nested\r\n", b"", []),
        ({"body": "/1234/ REPLACE card ****"}, b"card 1234", b"card ****", ["replace: body card 1234: card ****"]),
    ],
)  # fmt: skip
def test_actions(tmp_path: Path, checks: Mapping[str, str], before: bytes, after: bytes, log: list[str]) -> None:
    content, told = checked(tmp_path, **checks)
    assert content == MESSAGE.replace(before, after, 1)
    assert [line.removeprefix(f"{ID}: ") for line in told] == log


def test_long_messages_are_put_aside_and_leave_nothing(tmp_path: Path) -> None:
    body = b"line\r\n" * 300_000
    content, told = checked(tmp_path, MESSAGE + body, body="/1234/ REPLACE x")
    assert content == MESSAGE.replace(b"card 1234", b"x") + body
    assert len(told) == 1
    assert list(tmp_path.iterdir()) == []


class _Public:
    """A table with one address."""

    async def lookup(self, address: str) -> list[str] | None:
        return ["public@a.test"] if address == "secret@a.test" else None


PUBLIC: Any = _Public()


@pytest.mark.parametrize("count", [10, 150_000])
def test_no_header_is_too_far_down(tmp_path: Path, count: int) -> None:
    """A section of more than a megabyte is checked to its end, and what it says of the body holds."""
    padding = b"X: y\r\n\tz\r\n" * count
    content, told = checked(tmp_path, padding + MESSAGE, header="/^Subject:/ IGNORE", nested="/^Subject:/ REPLACE A: b")
    assert content == padding + MESSAGE.replace(b"Subject: secret\r\n", b"").replace(b"Subject: nested", b"A: b")
    assert told == [f"{ID}: replace: header Subject: nested: A: b"]
    assert checked(tmp_path, padding + b"Subject: secret\r\n", header="/^Subject:/ IGNORE") == (padding, [])


def test_a_header_section_of_a_file_is_rewritten_to_its_end(tmp_path: Path) -> None:
    padding, body = b"X: y\r\n" * 180_000, b"\r\nFrom: secret@a.test\r\n"
    for head in (b"", padding):
        content = head + b"From: secret@a.test\r\nTo: b@b.test\r\n" + body
        (tmp_path / "message").write_bytes(content)
        file = FileContent(tmp_path / "message", len(content))
        for one in (file, MemoryContent(content)):
            found = asyncio.run(generic.content(PUBLIC, one, lambda: tmp_path / "staged"))
            assert found.read() == head + b"From: public@a.test\r\nTo: b@b.test\r\n" + body
            assert found.size == len(found.read())


def test_what_follows_the_headers_outlives_the_content_that_it_was_cut_from(tmp_path: Path) -> None:
    """smtp_generic_maps rewrite the headers of what smtp_header_checks have put aside in a file without a name."""
    aside = tempfile.TemporaryFile(dir=tmp_path)
    aside.write(b"Subject: x\r\n\r\nbody\r\n")
    aside.flush()
    rest = UnnamedContent(aside).after(14)
    del aside
    gc.collect()
    with open(tmp_path / "other", "wb+") as other:  # would get the descriptor of a file that is closed
        other.write(b"somebody else's mail, which goes nowhere")
        other.flush()
        assert (rest.read(), rest.size) == (b"body\r\n", 6)
