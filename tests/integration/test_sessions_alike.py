"""Whole sessions beside Postfix: the commands of sessions_alike.txt get the same replies."""

import ast
import re
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.integration.milters_beside import gatepost_with, postfix_with
from tests.support.free_ports import free_ports
from tests.support.postfix import QUEUE_ID

_FILE = Path(__file__).with_name("sessions_alike.txt")
_MAIN = """\
smtpd_relay_restrictions = permit_mynetworks reject
smtpd_peername_lookup = no
smtpd_error_sleep_time = 0
smtpd_hard_error_limit = 100
smtpd_soft_error_limit = 100
smtpd_junk_command_limit = 1000
virtual_alias_maps = inline:{ {alias@example.net=box@example.net} }
transport_maps = inline:{ {reject.test=error:5.1.1 rejected}, {defer.test=retry:later}, {moved.test=error:5.1.6 moved}, \
{system.test=error:5.1.8 no system} }
virtual_alias_domains = valias.test
relay_domains = relay.test
default_transport = discard
"""


class Scripted:
    """A session. `settings`: of its service; `commands`: what the client says, one after the other."""

    def __init__(self, text: str) -> None:
        self.name, *lines = text.strip().splitlines()
        said = [line.removeprefix("> ") for line in lines if line.startswith("> ")]
        self.commands = [ast.literal_eval(one) if one.startswith("'") else one for one in said]
        self.settings = dict(re.split(" = ?", line, maxsplit=1) for line in lines if line[:1] not in ("", ">"))


_SESSIONS = {one.name: one for one in map(Scripted, _FILE.read_text("utf-8").split("\n## ")[1:])}


def _lines(ports: Mapping[str, int]) -> str:
    lines = ""
    for name, session in _SESSIONS.items():
        options = "".join(f"  -o {{ {parameter} = {value} }}\n" for parameter, value in session.settings.items())
        lines += f"127.0.0.1:{ports[name]} inet n - n - - smtpd\n{options}"
    return lines


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[Mapping[str, int], Mapping[str, int]]]:
    theirs = dict(zip(_SESSIONS, free_ports(len(_SESSIONS)), strict=True))
    with postfix_with(_MAIN, _lines(theirs), theirs):
        ours = dict(zip(_SESSIONS, free_ports(len(_SESSIONS)), strict=True))
        with gatepost_with(_MAIN, _lines(ours), ours):
            yield theirs, ours


def _replies(port: int, commands: list[str]) -> list[str]:
    """The reply to each command, and none after the server has gone."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection, connection.makefile("rb") as stream:

        def reply() -> str:
            lines = b""
            while line := stream.readline():
                lines += line
                if line[3:4] != b"-":
                    break
            return re.sub(rf"queued as {QUEUE_ID}", "queued as QID", lines.decode("utf-8", "surrogateescape"))

        reply()
        heard = []
        for command in commands:
            connection.sendall(command.encode() + b"\r\n")
            heard.append(reply())
            if heard[-1].startswith(("421", "521", "221")):
                break
        return heard


@pytest.mark.parametrize("name", _SESSIONS)
def test_as_postfix(both: tuple[Mapping[str, int], Mapping[str, int]], name: str) -> None:
    commands = _SESSIONS[name].commands
    theirs, ours = (_replies(ports[name], commands) for ports in both)
    for command, their, our in zip(commands, theirs, ours, strict=False):
        assert our == their, command
    assert len(ours) == len(theirs)
