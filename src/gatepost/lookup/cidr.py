"""`cidr:/path`: networks and what they get (cidr_table(5)). Also the network patterns of address lists (mynetworks)."""

import socket
from collections.abc import Callable

from msgspec import Struct

from gatepost.lookup.opening import Opening
from gatepost.lookup.port import Table
from gatepost.lookup.rules import Program, constant
from gatepost.lookup.table_text import logical_lines, read_rules
from gatepost.mail.ascii_text import SPACE, first_word, is_number

Address = tuple[int, int]
"""(bits of its family, 32 or 128; value)"""

_DIGITS = 4
"""One more than the longest length has (128)."""


class Network(Struct, frozen=True):
    """All addresses of one family whose first bits are those of `value`; `mask` has those bits set."""

    bits: int
    value: int
    mask: int

    def test(self, address: Address) -> "Network | None":
        """Itself if `address` is inside, else None."""
        return self if address[0] == self.bits and address[1] & self.mask == self.value else None

    def test_outside(self, address: Address) -> "Network | None":
        """Itself if `address` is of the same family but not inside, else None: what `!network` means."""
        return self if address[0] == self.bits and address[1] & self.mask != self.value else None


def parse_address(text: str) -> Address | None:
    """The address that `text` writes (IPv4 or IPv6, no brackets), or None."""
    try:
        if ":" in text:
            return 128, int.from_bytes(socket.inet_pton(socket.AF_INET6, text), "big")
        return 32, int.from_bytes(socket.inet_pton(socket.AF_INET, text), "big")
    except (OSError, ValueError):
        return None


def _written(bits: int, value: int) -> str:
    family = socket.AF_INET6 if bits == 128 else socket.AF_INET
    return socket.inet_ntop(family, value.to_bytes(bits // 8, "big"))


def parse_network(text: str) -> Network:
    """The network that `address`, `address/length`, `[address]/length` or `[address/length]` writes.

    Raises ValueError, in Postfix's words."""
    pattern, slash, length = _without_brackets(text)
    if slash and not is_number(length):
        raise ValueError(f'bad mask value in "{pattern}/{length}"')
    bits = 128 if ":" in pattern else 32
    size = _number(length) if slash else bits
    if size > bits:
        raise ValueError(f'bad mask length in "{pattern}/{length}"')
    address = parse_address(pattern)
    if address is None:
        raise ValueError(f'bad network value in "{pattern}/{length}"' if slash else f'bad address pattern: "{pattern}"')
    mask = ((1 << size) - 1) << (bits - size)
    value = address[1]
    if value & ~mask:
        fitting = f"{_written(bits, value & mask)}/{size}"
        raise ValueError(f'non-null host address bits in "{pattern}/{length}", perhaps you should use "{fitting}" instead')
    return Network(bits, value, mask)


def _without_brackets(text: str) -> tuple[str, str, str]:
    """(address, `/` or nothing, length)"""
    if not text.startswith("["):
        return text.partition("/")
    inside, bracket, rest = text[1:].partition("]")
    if not bracket:
        raise ValueError(f"missing ']' character after \"[{inside}\"")
    if rest and not rest.startswith("/"):
        raise ValueError(f'garbage after "[{inside}]"')
    return (inside, "/", rest[1:]) if rest else inside.partition("/")


def _number(digits: str) -> int:
    """What so many digits write; of more than an address has bits, any number that is too large."""
    return int(digits.lstrip("0")[:_DIGITS] or "0")


class CidrTable:
    """The result of the first rule whose network has the address; a key that is no address has none."""

    __slots__ = ("_program", "name", "whole_key")

    def __init__(self, name: str, program: Program) -> None:
        self.name = name
        self.whole_key = True
        self._program = program

    async def lookup(self, key: str) -> str | None:
        found = await self.find_line(key)
        return found and found[0]

    async def find_line(self, key: str) -> tuple[str, int] | None:
        """As `lookup`: (value, line of its rule)."""
        address = parse_address(key)
        return None if address is None else self._program.run(address)

    def close(self) -> None:
        pass


def _keyword(text: str, word: str) -> bool:
    following = text[len(word) : len(word) + 1]
    return text[: len(word)].lower() == word and not (following.isascii() and following.isalnum())


def _test(text: str) -> Callable[[Address], Network | None]:
    """What `network` or `!network` asks of an address. Raises ValueError."""
    negated = False
    while text.startswith("!"):
        negated = not negated
        text = text[1:].lstrip(SPACE)
    if not text:
        raise ValueError("no address pattern")
    network = parse_network(text)
    return network.test_outside if negated else network.test


def _add(program: Program, number: int, text: str) -> None:
    """Compile one line. Raises ValueError with what is wrong with it."""
    if _keyword(text, "endif"):
        if text[5:].strip(SPACE):
            raise ValueError("garbage after ENDIF")
        if not program.close_if():
            raise ValueError("ENDIF without IF")
    elif _keyword(text, "if"):
        program.open_if(number, _test(text[2:].strip(SPACE)), negated=False)
    else:
        bangs = len(text) - len(text.lstrip("!" + SPACE))
        pattern, result = first_word(text[bangs:])
        test = _test(text[:bangs] + pattern)
        if not result:
            raise ValueError("no lookup result")
        program.add(test, negated=False, result=constant(result), source=number)


def open_table(opening: Opening) -> Table:
    """Raises Unavailable where the file cannot be read; a line with a mistake is reported and skipped, as Postfix does."""
    program = Program()
    where = f"cidr map {opening.name}, line"
    for number, text in logical_lines(read_rules(opening), opening.name, opening.warn):
        try:
            _add(program, number, text.strip(SPACE))
        except ValueError as error:
            opening.warn(f"{where} {number}: {error}: skipping this rule")
    for number in program.finish():
        opening.warn(f"{where} {number}: IF has no matching ENDIF")
    return CidrTable(opening.spec, program)
