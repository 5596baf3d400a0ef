"""What is wrong with a configuration, told as values: where, what, and what to do about it."""

from collections.abc import Iterable

from msgspec import Struct


class Fault(Struct, frozen=True):
    """One thing wrong. `line` counts from 1, 0 where no single line is at fault; `remedy` may be empty.

    `text` is Postfix's own diagnostic where Postfix has one, so that what people search for still finds an answer.
    """

    file: str
    line: int
    text: str
    remedy: str = ""

    @property
    def place(self) -> str:
        """`file, line n` as Postfix names a place, or the file alone."""
        return f"{self.file}, line {self.line}" if self.line else self.file

    def __str__(self) -> str:
        told = f"{self.place}: {self.text}"
        return f"{told} ({self.remedy})" if self.remedy else told


class ConfigurationError(Exception):
    """A configuration that cannot be used. `faults` holds everything that is wrong with it, in file order."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults: tuple[Fault, ...] = tuple(faults)
        super().__init__("\n".join(map(str, self.faults)))
