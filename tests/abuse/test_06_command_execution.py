"""Class 6: addresses that would be commands, options, paths or further arguments, through pipe(8), aliases, .forward files, mailbox
commands and bounces. Whatever is taken arrives as the one argument that it is; nothing of it is ever run.

Examples: CVE-2020-7247 OpenSMTPD (MAIL FROM), CVE-2019-10149 Exim.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.running import Client, wait_for
from tests.support.users import Houses

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="needs root: else nothing is run as another user")

_DUMP = """\
#!/bin/sh
# Notes its arguments, a NUL after each, then what it was told of the message.
out=$(mktemp {dir}/out/XXXXXXXX)
printf '%s\\0' "$0" "$@" "$USER" "$EXTENSION" "$SENDER" "$RECIPIENT" > "$out" && cat > /dev/null && mv "$out" "$out.done"
"""
_MASTER = """\
dump unix - n n - - pipe user=alice argv={dir}/dump ${recipient} ${user} ${extension} ${sender}
"""
_MAIN = {
    "transport_maps": "inline:{pipe.test=dump:}",
    "mailbox_command_maps": 'inline:{{bob={dir}/dump mailbox "$EXTENSION" $SENDER}}',
    "dump_destination_recipient_limit": "1",
    "dump_destination_concurrency_limit": "20",
    "allow_min_user": "yes",
    "command_execution_directory": "{dir}/out",
}
_ALIASES = """\
team "|{dir}/dump alias \\"$EXTENSION\\" $RECIPIENT $USER"
"""

_TOUCH = "touch {dir}/out/RUN"
_LOCAL_PARTS = (
    f";{_TOUCH};", f"`{_TOUCH}`", f"$({_TOUCH})", f"|{_TOUCH}", f"x|{_TOUCH}|", f"&& {_TOUCH} &", f"x\" ; {_TOUCH} ; \"",
    f"'; {_TOUCH}; '",
    "../../../../etc/passwd", "/etc/passwd", "~root", ":include:/etc/passwd", "-oQ/tmp", "--help", "-", "$IFS", "${PATH}",
    "$(id)", "%s%n",
    "> {dir}/out/RUN", "*", "a b  c", "\\\\", "\\", "b\udcff", "\x7f", "\x01", "r" * 900, "+;id", "team+`id`", "user${extension}",
)  # fmt: skip


def _quoted(local: str, domain: str) -> str:
    escaped = local.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"@{domain}'


@pytest.fixture(scope="module")
def houses() -> Iterator[Houses]:
    system = Houses(_MAIN, _MASTER, _ALIASES)
    out = system.folder / "out"
    out.mkdir()
    out.chmod(0o1777)
    dump = system.folder / "dump"
    dump.write_text(system.fill(_DUMP))
    dump.chmod(0o755)
    forward = f'"|{dump} forward \\"$EXTENSION\\" $SENDER"\n'
    system.give(system.home("alice") / ".forward", "alice", forward, 0o644)
    with system:
        yield system


def _send(system: Houses, sender: str, recipient: str) -> bool:
    """Whether a message with this envelope was taken; what is wrong with it must be told in a reply."""
    with Client(system.port) as client:
        client.say("EHLO client.example.com")
        for line in (f"MAIL FROM:<{sender}>", f"RCPT TO:<{recipient}>"):
            code, _ = client.say(line.encode("utf-8", "surrogateescape"))
            assert code, (line, "hung up")
            if code != 250:
                return False
        assert client.say("DATA")[0] == 354
        return client.say("Subject: x\r\n\r\nbody\r\n.")[0] == 250


def _dumped(system: Houses) -> list[list[str]]:
    """The arguments and variables of each command that has run."""
    texts = (path.read_text("utf-8", "surrogateescape") for path in (system.folder / "out").glob("*.done"))
    return [text.split("\0")[1:-1] for text in texts]


def _run_any(system: Houses) -> list[Path]:
    """What a payload has left."""
    return [path for path in (system.folder / "out").iterdir() if path.name.startswith("RUN")]


def test_an_argument_of_a_pipe_service_stays_one(houses: Houses) -> None:
    locals_ = [houses.fill(local) for local in _LOCAL_PARTS]
    taken = [local for local in locals_ if _send(houses, "from@there.test", _quoted(local, "pipe.test"))]
    assert len(taken) > len(locals_) / 2
    wanted = {f"{local}@pipe.test" for local in taken}

    def seen() -> set[str]:
        return {words[0] for words in _dumped(houses) if len(words) == 8}

    wait_for(lambda: wanted <= seen(), lambda: f"{wanted - seen()}\n{houses.log()[-4000:]}", 40)
    assert _run_any(houses) == []


def test_a_sender_stays_one_argument(houses: Houses) -> None:
    locals_ = [houses.fill(local) for local in _LOCAL_PARTS]
    taken = [local for local in locals_ if _send(houses, _quoted(local, "sender.test"), "plain@pipe.test")]
    assert taken
    wanted = {f"{local}@sender.test" for local in taken}

    def seen() -> set[str]:
        return {words[3] for words in _dumped(houses) if len(words) == 8 and words[0] == "plain@pipe.test"}

    wait_for(lambda: wanted <= seen(), lambda: f"{wanted - seen()}\n{houses.log()[-4000:]}", 40)
    assert _run_any(houses) == []


@pytest.mark.parametrize(("to", "how"), [("team", "alias"), ("alice", "forward"), ("bob", "mailbox")])
def test_what_the_shell_of_a_user_is_told_is_censored(houses: Houses, to: str, how: str) -> None:
    """Aliases, .forward files and mailbox commands use $EXTENSION and their like in a shell. (What has a slash is no extension.)"""
    payloads = ["`touch RUN`", "$(touch RUN)", ";touch RUN", '";touch RUN;"', "*", "a'b", "x|touch RUN", "${IFS}", "&touch RUN&"]
    taken = 0
    for payload in payloads:
        taken += _send(houses, _quoted(payload, "sender.test"), _quoted(f"{to}+{payload}", "here.test"))
    assert taken

    def seen() -> list[list[str]]:
        return [words for words in _dumped(houses) if words[0] == how]

    wait_for(lambda: len(seen()) >= taken, lambda: f"{seen()}\n{houses.log()[-4000:]}", 40)
    assert _run_any(houses) == []
    for words in seen():
        assert not set("".join(words)) & set("`$();\"'*|<>&\\"), words


def test_names_that_would_be_lists_files_or_commands_are_addresses(houses: Houses) -> None:
    """What an alias may hold and a sender may write: the one is a command, the other nobody's name."""
    for local in (f"|{_TOUCH}", "/{dir}/out/RUN-file", "{dir}/out/RUN-file", ":include:{dir}/aliases", "~alice/x", "\\alice/../x"):
        if _send(houses, "alice@here.test", _quoted(houses.fill(local), "here.test")):
            houses.logged("to=<", houses.fill(local)[:10].replace("\\", "")[1:6], "status=bounced", seconds=20)
    assert _run_any(houses) == []


@pytest.mark.parametrize("octet", [b"\0", b"\r", b"\n"])
@pytest.mark.parametrize("place", ["recipient", "sender"])
def test_octets_that_no_argument_should_hold(houses: Houses, octet: bytes, place: str) -> None:
    """They are refused, or come back, or arrive as they are; they are not run, nor cut an argument in two, nor wait for ever."""
    odd = b'<"odd-' + octet + b';touch RUN"@pipe.test>'
    sender, recipient = (b"<alice@here.test>", odd) if place == "recipient" else (odd, b"<plain@pipe.test>")
    with Client(houses.port) as client:
        client.say("EHLO client.example.com")
        client.write(b"MAIL FROM:" + sender + b"\r\nRCPT TO:" + recipient + b"\r\nDATA\r\nSubject: x\r\n\r\nodd\r\n.\r\nQUIT\r\n")
        client.all_replies()
    wait_for(lambda: houses.queue() == [], lambda: f"an empty queue\n{houses.log()[-4000:]}", 40)
    assert _run_any(houses) == []
    for words in _dumped(houses):
        assert not words[0].startswith("odd-") or words[0].endswith(";touch RUN@pipe.test"), words
    assert "Traceback" not in houses.log()
