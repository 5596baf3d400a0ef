"""Names and types that may not pass, by lookup tables over each file of a message: amavis' `$banned_filename_re`.

What is looked up is one text for each file that holds no others: a line for each type and name of the archive or message that it is
in, from the outermost on, and at last its own: `application/zip`, `.zip`, `docs.zip`, `.exe`, `.exe-ms`, `letter.pdf.exe`; and
UNDECIPHERABLE of what is encrypted. So a table's rules are tried in their order over all of them, as amavis does, and one for
`.zip` before one for `.exe` lets programs pass in archives. Patterns of pcre tables need the flags `ms`: `^` and `$`
are the ends of a line, and `.` is none.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from gatepost.filter.archives.port import ArchiveFacts, Banned, Node
from gatepost.lookup.registry import Maps

_ALLOWED: Final = frozenset(("ok", "dunno"))
_MOST_KEY: Final = 16384
_MOST_NAME: Final = 255
_DEEPEST: Final = 200
_MOST: Final = 20
"""Banned files that are told of."""


async def banned(facts: ArchiveFacts, maps: Maps) -> tuple[Banned, ...]:
    """The files that a table's result bans: any but OK and DUNNO, which let the file pass. Raises LookupFailure."""
    found: list[Banned] = []
    if maps.empty:
        return ()
    seen: dict[str, str | None] = {}
    for path in _leaves(facts.nodes):
        key = "\n".join(line for node in path for line in _lines(node))[-_MOST_KEY:]
        if key not in seen:
            seen[key] = await maps.find(key)
        result = seen[key]
        if result is not None and result.strip().lower() not in _ALLOWED:
            found.append(Banned(" | ".join(",".join(_lines(node)) for node in path), ",".join(_lines(path[-1])), result))
            if len(found) == _MOST:
                break
    return tuple(found)


def _leaves(nodes: Sequence[Node]) -> Iterator[list[Node]]:
    """The way to each file that holds no others. The scanner has been with hostile content: what it says is in itself is in
    nothing, and a way has an end."""
    holding = {node.parent for index, node in enumerate(nodes) if node.parent < index}
    for index in range(len(nodes)):
        if index not in holding:
            path, at = [nodes[index]], index
            while 0 <= nodes[at].parent < at and len(path) < _DEEPEST:
                at = nodes[at].parent
                path.append(nodes[at])
            yield path[::-1]


def _lines(node: Node) -> Iterator[str]:
    if node.media_type:
        yield node.media_type
    for kind in node.types:
        yield f".{kind}"
    for name in node.names:
        yield name.decode("utf-8", "replace").replace("\n", " ").replace("\t", " ")[-_MOST_NAME:]
    if node.encrypted:
        yield "UNDECIPHERABLE"
