"""How a command's end becomes the end of a delivery; what is run for a command line; output in the log."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.deliver.command import cannot_run, command_words, failure_of, printable
from gatepost.deliver.privileged import Done, Failed
from gatepost.mail.outcome import Class

# (how the command ended, enhanced status code, text, diagnostic), as Postfix 3.7 tells it.
ENDS = (
    (Done(exit_status=64), "5.3.0", "command line usage error", "x-unix; command line usage error"),
    (Done(b"sorry\n", 65), "5.6.0", "data format error. Command output: sorry ", "x-unix; sorry "),
    (Done(exit_status=67), "5.1.1", "user unknown", "x-unix; user unknown"),
    (Done(exit_status=73), "5.2.0", "can't create user output file", "x-unix; can't create user output file"),
    (Done(exit_status=75), "4.3.0", "temporary failure", "x-unix; temporary failure"),
    (Done(b"no\n", 77), "5.7.0", "permission denied. Command output: no ", "x-unix; no "),
    (Done(b"some output\n", 1), "5.3.0", 'Command died with status 1: "x y". Command output: some output ', "x-unix; some output "),
    (Done(exit_status=-9), "4.3.0", 'Command died with signal 9: "x y"', 'x-unix; Command died with signal 9: "x y"'),
    (Done(b"4.2.2 mailbox busy\n", 1), "4.2.2", "mailbox busy ", "x-unix; mailbox busy "),
    (Done(b"5.7.1 go away", 75), "5.7.1", "go away", "x-unix; go away"),
    (Done(b"2.0.0 fine", 75), "4.3.0", "temporary failure. Command output: 2.0.0 fine", "x-unix; 2.0.0 fine"),
    (Done(exit_status=-9, timed_out=True), "5.3.0", 'Command time limit exceeded: "x y"', "x-unix; internal software error"),
)


@pytest.mark.parametrize(("ended", "enhanced", "text", "diagnostic"), ENDS)
def test_how_it_ended(ended: Done, enhanced: str, text: str, diagnostic: str) -> None:
    outcome = failure_of("x y", ended)
    assert outcome is not None
    assert (outcome.enhanced, outcome.text, outcome.diagnostic) == (enhanced, text, diagnostic)
    assert outcome.cls == int(enhanced[0])


def test_no_failure() -> None:
    assert failure_of("x", Done(b"chatter", 0)) is None


def test_a_command_that_is_not_there_waits() -> None:
    outcome = cannot_run("pipe", Failed("4.3.0", "pipe_command: execvp /no: No such file or directory", missing=True))
    assert outcome.cls is Class.TEMPORARY
    assert outcome.text.startswith("temporary failure. Command output: pipe: fatal: pipe_command: execvp /no")


@pytest.mark.parametrize(
    ("command", "shell", "words"),
    [
        ("/bin/cat -u", "", ("/bin/cat", "-u")),
        ("/bin/cat >/dev/null", "", ("/bin/sh", "-c", "/bin/cat >/dev/null")),
        ("exit 67", "", ("/bin/sh", "-c", "exit 67")),
        ('/bin/x "$USER"', "", ("/bin/sh", "-c", '/bin/x "$USER"')),
        ("/bin/cat", "/bin/smrsh -c", ("/bin/smrsh", "-c", "/bin/cat")),
    ],
)
def test_with_or_without_a_shell(command: str, shell: str, words: tuple[str, ...]) -> None:
    assert command_words(command, shell) == words


@given(st.binary(max_size=200))
def test_output_is_one_printable_line(output: bytes) -> None:
    text = printable(output)
    assert text.isascii()
    assert text.isprintable() or not text
