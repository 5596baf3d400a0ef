"""`gatepost postlog`: write lines to the mail log, as postlog(1) does."""

import sys
from collections.abc import Iterator, Sequence

from gatepost.cli.command import Command, Fatal, octets, run

# As postlog(1) names them: the word that stands before the text.
_SEVERITIES = {"info": "", "warn": "warning", "warning": "warning", "error": "error", "fatal": "fatal", "panic": "panic"}


def main(argv: Sequence[str]) -> int:
    """Exit status: 0; 1 for a wrong option or a log that cannot be written. A person at a terminal sees the lines too."""
    import getopt

    try:
        options, operands = getopt.getopt(octets(argv[1:]), "c:ip:t:v")
    except getopt.GetoptError as error:
        what = "option requires an argument" if "requires" in error.msg else "invalid option"
        sys.stderr.write(f"postlog: {what} -- '{error.opt}'\n")
        return 1
    values = dict(options)
    command = Command("postlog", directory=values.get("-c"))

    def body() -> int:
        priority = values.get("-p", "info")
        if priority not in _SEVERITIES:
            return _refused(command, f"bad logging priority: {priority}")
        lines = iter([" ".join(operands)]) if operands else _input_lines()
        _write(command, values.get("-t"), _SEVERITIES[priority], lines)
        return 0

    return run(command, body, failure=1)


def _refused(command: Command, why: str) -> int:
    """A program for the log says even that there, and on stderr only to a person."""
    _write(command, None, "fatal", iter([why]))
    return 1


def _input_lines() -> Iterator[str]:
    for line in sys.stdin.buffer:
        yield line.rstrip(b"\r\n").decode("utf-8", "surrogateescape")


def _write(command: Command, tag: str | None, severity: str, lines: Iterator[str]) -> None:
    from gatepost.events.records import Note
    from gatepost.service.log import Log

    try:
        log = Log(command.configuration, patience=Log.PATIENCE)
    except OSError as error:
        raise Fatal(f"open {error.filename}: {error.strerror}", logged=False) from None
    emit = log.emit if tag is None else log.emitter(tag)
    service = "postlog" if tag is None else ""
    for text in lines:
        emit(Note(service, text, severity))
        log.flush()
        if sys.stderr.isatty():
            sys.stderr.write(f"{tag or 'postlog'}: {severity + ': ' if severity else ''}{text}\n")
