#!/usr/bin/env python3
"""Write docs/parameters.md from the parameter table (`make docs`)."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from gatepost.config.parameters import (
    COMPUTED,
    LEGACY,
    POSTFIX_DEFAULTS,
    SERVICES,
    TRANSPORT_SUFFIXES,
    Parameter,
    Support,
    ValueKind,
)

PAGE = Path(__file__).parent.parent / "docs" / "parameters.md"

INTRODUCTION = """\
# Parameters

<!-- Made by `make docs` from src/gatepost/config/parameters: change it there. -->

Every parameter of Postfix 3.7, those that newer ones have, and Gatepost's own, in the language of main.cf.
`gatepost postconf -d NAME` shows a default in full.

- Booleans are `yes` or `no`. Times take a unit, `s m h d w`; the unit of a bare number is seconds unless its row names another.
- *computed*: found out when Gatepost starts, as Postfix does.
- *$-late*: the value's `$names` are filled in when it is used, not when main.cf is read.
"""

CHAPTERS: Mapping[Support, tuple[str, str]] = {
    Support.DONE: ("In force", "These do what they do in Postfix."),
    Support.NOT_YET: ("Not yet", "Accepted with a warning when they are set; what they govern is still to come."),
    Support.NO_MEANING: (
        "Without effect",
        "Accepted so that a configuration need not change; here is why nothing follows from them.",
    ),
}

LONGEST = 160


def page() -> str:
    """The whole page, Markdown."""
    return "\n".join((INTRODUCTION, *differences(), *chapters(), *transports(), *legacy()))


def differences() -> Iterator[str]:
    """The defaults that differ from Postfix's on purpose."""
    rows = {row.name: row for rows in SERVICES.values() for row in rows}
    yield "## Defaults that differ from Postfix 3.7\n"
    yield from table(
        ("parameter", "ours", "Postfix 3.7", "what it does"),
        ((code(name), code(rows[name].default), code(theirs), remark(rows[name])) for name, theirs in POSTFIX_DEFAULTS.items()),
    )


def chapters() -> Iterator[str]:
    """Every parameter, by how far it is supported and then by service."""
    for support, (title, lead) in CHAPTERS.items():
        yield f"## {title}\n\n{lead}\n"
        for service, rows in SERVICES.items():
            chosen = [row for row in rows if row.support is support]
            if chosen:
                yield f"### {service}\n"
                yield from parameters(chosen)


def transports() -> Iterator[str]:
    """The parameters that every transport has for itself."""
    yield "## Of each transport\n"
    yield "Put the transport's name in master.cf in front: `relay_destination_recipient_limit`.\n"
    yield from parameters(TRANSPORT_SUFFIXES.values())


def legacy() -> Iterator[str]:
    """Names of older releases."""
    yield "## Names of older releases\n"
    yield "Unset unless main.cf sets them.\n"
    yield from table(("parameter", "what it does"), ((code(row.name), remark(row)) for row in LEGACY.values()))


def parameters(rows: Iterable[Parameter]) -> Iterator[str]:
    """A table of parameters with their defaults."""
    return table(("parameter", "default", "what it does"), ((code(row.name), default(row), remark(row)) for row in rows))


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """A Markdown table, followed by an empty line."""
    for cells in (head, ("---",) * len(head), *rows):
        yield f"| {' | '.join(cells)} |"
    yield ""


def default(row: Parameter) -> str:
    """The default as it is shown: shortened when long."""
    if row.name in COMPUTED:
        return "*computed*"
    short = row.default if len(row.default) <= LONGEST else row.default[:LONGEST].rsplit(" ", 1)[0] + " …"
    return code(short)


def remark(row: Parameter) -> str:
    """What the parameter does, its bounds, the version of Postfix that brought it, and why it has no effect where it has none."""
    parts = [row.doc]
    if row.kind is ValueKind.RAW:
        parts.append("*$-late*")
    unit = " s" if row.kind is ValueKind.TIME else ""
    if row.minimum is not None:
        parts.append(f"At least {row.minimum}{unit}.")
    if row.maximum is not None:
        parts.append(f"At most {row.maximum}{unit}.")
    if row.since not in ("", "gatepost"):
        parts.append(f"Since {row.since}.")
    if row.why:
        parts.append(f"*{row.why}*")
    return escaped(" ".join(parts))


def code(text: str) -> str:
    """The text as code in a table cell, nothing for nothing."""
    if not text:
        return ""
    fence = "``" if "`" in text else "`"
    return escaped(f"{fence}{text}{fence}")


def escaped(text: str) -> str:
    """A bar would end the table cell."""
    return text.replace("|", r"\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
