"""What `mimeheader` rules look at: a header of every part (perldoc Mail::SpamAssassin::Plugin::MIMEHeader)."""

from collections.abc import Iterator, Sequence
from typing import Final

from gatepost.filter.headers.values import text
from gatepost.filter.port import Examined


def values(mail: Examined, name: str, flags: Sequence[str] = ()) -> Iterator[bytes]:
    """The values of a header over the parts, the message itself the first, each ended by LF.

    name: as the rule has it, perhaps with `:raw`: folded and encoded as it came.
    flags: of `tflags`: `range=2-3` leaves out all but these parts, counted from 1; `concat` makes one text of all.
    """
    base, _, modifier = name.partition(":")
    key = base.lower().encode()
    first, last = _range(flags)
    found = (
        (value.rstrip(b"\n") if modifier == "raw" else text(key, value)) + b"\n"
        for number, part in enumerate(mail.parts, 1)
        if first <= number <= last
        for one, value in part.headers
        if one.lower() == key
    )
    if "concat" not in flags:
        yield from found
    elif all_of_it := b"".join(found):
        yield all_of_it


_NO_END: Final = 1 << 30


def _range(flags: Sequence[str]) -> tuple[int, int]:
    """The parts that a rule looks at; all where it does not say, or not in numbers."""
    said = next((flag.removeprefix("range=") for flag in flags if flag.startswith("range=")), "-")
    first, dash, last = said.partition("-")
    if not all(word.isdecimal() or not word for word in (first, last)):
        return 1, _NO_END
    low = int(first or 1)
    return low, int(last or _NO_END) if dash else low
