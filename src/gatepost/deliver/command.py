"""How a command ended, as a delivery: exit status, output and signals become an Outcome (local(8), pipe(8), sysexits(3))."""

import re

from msgspec import Struct

from gatepost.deliver.privileged import Done, Failed, outcome_of
from gatepost.mail.ascii_text import spaced_words
from gatepost.mail.outcome import Class, Outcome


class _Exit(Struct, frozen=True):
    """What an exit status of sysexits(3) means."""

    enhanced: str
    text: str


_EXITS = {
    64: _Exit("5.3.0", "command line usage error"),
    65: _Exit("5.6.0", "data format error"),
    66: _Exit("5.3.0", "cannot open input"),
    67: _Exit("5.1.1", "user unknown"),
    68: _Exit("5.1.2", "host name unknown"),
    69: _Exit("5.3.0", "service unavailable"),
    70: _Exit("5.3.0", "internal software error"),
    71: _Exit("4.3.0", "system resource problem"),
    72: _Exit("5.3.0", "critical OS file missing"),
    73: _Exit("5.2.0", "can't create user output file"),
    74: _Exit("5.3.0", "input/output error"),
    75: _Exit("4.3.0", "temporary failure"),
    76: _Exit("5.5.0", "remote error in protocol"),
    77: _Exit("5.7.0", "permission denied"),
    78: _Exit("5.3.5", "local configuration error"),
}

_DSN_TEXT = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})(?:\s+(.*))?\Z", re.DOTALL | re.ASCII)
_SHELL_FREE = re.compile(r"[0-9!@%_=+:,./ A-Za-z-]*\Z")
_CONTROL = re.compile(r"[^\x20-\x7e]")


def command_words(command: str, shell: str) -> tuple[str, ...]:
    """What to run for a command line of main.cf, an alias or a .forward file. `shell`: local_command_shell, which then runs all of
    them; without one a line in which a shell would find nothing to do is run without."""
    if shell:
        return (*spaced_words(shell), command)
    words = tuple(spaced_words(command))
    if words and "/" in words[0] and _SHELL_FREE.match(command):
        return words
    return ("/bin/sh", "-c", command)


def printable(output: bytes) -> str:
    """A command's output for the log: one line, everything that does not print as `_`."""
    text = output.decode("utf-8", "replace").translate({9: " ", 10: " "})
    return _CONTROL.sub("_", text) if not text.isascii() or not text.isprintable() else text


def failure_of(command: str, ended: Done) -> Outcome | None:
    """Why a command did not deliver; None where it did. `command`: as named in texts."""
    output = printable(ended.data)
    told = f". Command output: {output}" if output else ""
    if ended.timed_out:
        return _failure("5.3.0", f'Command time limit exceeded: "{command}"{told}', output or _EXITS[70].text)
    if not ended.exit_status:
        return None
    if ended.exit_status < 0:
        return _failure("4.3.0", f'Command died with signal {-ended.exit_status}: "{command}"{told}', output)
    match = _DSN_TEXT.match(output)
    if match and match[1][0] != "2":
        return _failure(match[1], match[2] or "", match[2] or "")
    known = _EXITS.get(ended.exit_status)
    if known:
        return _failure(known.enhanced, known.text + told, output or known.text)
    text = f'Command died with status {ended.exit_status}: "{command}"{told}'
    return _failure("5.3.0", text, output or f"unknown mail system error {ended.exit_status}")


def _failure(enhanced: str, text: str, said: str) -> Outcome:
    return Outcome(Class(int(enhanced[0])), enhanced, text, diagnostic=f"x-unix; {said or text}")


def cannot_run(program: str, failure: Failed) -> Outcome:
    """The command could not be started, or the agent could not be asked. `program`: `local` or `pipe`."""
    if not failure.missing:
        return outcome_of(failure)
    return _failure("4.3.0", f"temporary failure. Command output: {program}: fatal: {failure.text} ", failure.text)
