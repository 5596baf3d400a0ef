"""Sizes of long lines, as Postfix 3.7.11 reports them (`250 2.0.0 Ok: 5104 bytes queued`): a record ends every 2048 octets."""

import pytest

from gatepost.proto.smtp.data import BdatReader, DataReader

# octets in the line, what is counted beyond content and line end
_EXTRA = ((2047, 0), (2048, 2), (2049, 2), (4096, 4), (4999, 4), (5023, 4), (8190, 6), (10000, 8), (70000, 68), (140000, 136))


def _read(reader: BdatReader | DataReader, content: bytes, step: int) -> int:
    for start in range(0, len(content), step):
        reader.feed(content[start : start + step])
    return reader.size


@pytest.mark.parametrize("step", [3, 1000, 1 << 20])
@pytest.mark.parametrize(("length", "extra"), _EXTRA)
def test_a_long_line(length: int, extra: int, step: int) -> None:
    content = b"Subject: x\r\n\r\n" + b"q" * length + b"\r\nnext\r\n"
    assert _read(BdatReader(), content, step) == len(content) + extra
    assert _read(DataReader(), content + b".\r\n", step) == len(content) + extra


@pytest.mark.parametrize(("length", "extra"), [(2047, 0), (2048, 0), (2049, 2), (4999, 4), (8190, 6), (10000, 8)])
def test_a_long_line_without_end(length: int, extra: int) -> None:
    reader = BdatReader()
    reader.feed(b"q" * length)
    reader.finish()
    assert reader.size == length + 2 + extra


def test_another_limit() -> None:
    assert _read(BdatReader(line_limit=512), b"q" * 1000 + b"\r\n", 100) == 1002 + 2
