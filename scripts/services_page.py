#!/usr/bin/env python3
"""Write docs/services.md from the table of programs (`make docs`)."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from gatepost.config.programs import PROGRAMS, Chapter, Program
from gatepost.service.roles import ROLES, Role

PAGE = Path(__file__).parent.parent / "docs" / "services.md"

INTRODUCTION = """\
# The programs of master.cf

<!-- Made by `make docs` from src/gatepost/config/programs.py: change it there. -->

Postfix runs a program for each line of master.cf. Here a worker does their work, in functions of one process; a line says that a
service exists, under which name, and with which parameters. Every line is parsed and checked by Postfix's rules; `postconf -M`,
`-F` and `-P` show and edit them. What holds for all of them:

- **Honoured**: service name, type, `private` (where a socket is made), maxproc as told below, the command name, `-o name=value`.
- **Without effect**: unprivileged, chroot, wakeup (but that of pickup), `-v`, `-D`. Workers run as `mail_owner` always; who needs
  more asks the agent process.
- Delivery programs that Postfix's own master.cf names are there without a line as well; the table names their services.
- A reload takes up lines that are new and closes the ports of those that are gone.
"""

LEADS: Mapping[Chapter, str] = {
    Chapter.DELIVERING: """\
The name of the line is the transport that tables name. All honour `-o`, `syslog_name` where they log, `TRANSPORT_destination_*`
parameters, and maxproc: deliveries that go on at one time in a worker (`default_process_limit` for `-`, no limit for `0`).
""",
}

PROCESSES = """\
## Processes of our own

What the supervisor (`gatepost start`) starts beside itself; from src/gatepost/service/roles.py. Whatever ends is started again. At
a reload new ones serve before the old ones are told to finish; these end what they have under way, and begin nothing new.

| process | what it does | runs as | behind walls |
|---|---|---|---|
"""


def page() -> str:
    """The whole page, Markdown."""
    chapters = "\n".join((INTRODUCTION, *(line for chapter in Chapter for line in chapter_of(chapter))))
    return chapters + "\n" + PROCESSES + "".join(map(process, ROLES))


def process(role: Role) -> str:
    """A line of the table of processes."""
    rights = role.rights
    who = "`mail_owner`" if rights.as_owner else "who started it (root)"
    kept = ", ".join(one.name for one in sorted(rights.capabilities))
    many = ", as many as `worker_processes`" if role.many else ""
    runs_as = f"{who}, with no capabilities but {kept}" if kept else who
    return f"| {role.name}{many} | {role.work} | {runs_as} | {'its own' if rights.sealed else 'yes' if rights.walls else 'no'} |\n"


def chapter_of(chapter: Chapter) -> Iterator[str]:
    """The programs of one chapter."""
    yield f"## {chapter.value}\n"
    if chapter in LEADS:
        yield LEADS[chapter]
    yield "| program | where its work is done | what of its line is honoured |"
    yield "|---|---|---|"
    for row in PROGRAMS.values():
        if row.chapter is chapter:
            yield f"| {names(row)} | {row.work} | {row.line} |"
    yield ""


def names(row: Program) -> str:
    """The program, and the services of other names that are there without a line."""
    others = [service for service in row.services if service != row.name]
    return f"{row.name} (and its service {', '.join(others)})" if others else row.name


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
