"""Reply lines, and that no text can forge one."""

import pytest

from gatepost.mail.outcome import Class, Outcome
from gatepost.proto.smtp import server_replies
from gatepost.proto.smtp.replies import ServerReply, reply_of, softened, wire, with_footer


def test_one_line() -> None:
    assert wire(ServerReply(250, "2.1.0", "Ok")) == b"250 2.1.0 Ok\r\n"
    assert reply_of(Outcome(Class.PERMANENT, "5.7.1", "Access denied", 554)).line == "554 5.7.1 Access denied"
    assert reply_of(Outcome(Class.TEMPORARY, "", "later")).line == "450 later"


@pytest.mark.parametrize("more", [(), ("b\r\n250 c",)])
def test_a_text_cannot_forge_a_reply(more: tuple[str, ...]) -> None:
    said = wire(ServerReply(550, "5.7.1", "no\r\n250 yes", more))
    assert [line[:4] for line in said.removesuffix(b"\r\n").split(b"\r\n")] == [b"550-"] * len(more) + [b"550 "]


def test_several_lines() -> None:
    assert (
        wire(server_replies.hello("mail.example.test", ["SIZE 10", "DSN"]))
        == b"250-mail.example.test\r\n250-SIZE 10\r\n250 DSN\r\n"
    )


def test_footers() -> None:
    reply, macros = ServerReply(454, "4.7.1", "Relay access denied"), {"client": "x[1.2.3.4]"}
    assert with_footer(reply, "see http://help.test", macros) == (
        b"454-4.7.1 Relay access denied\r\n454 4.7.1 see http://help.test\r\n"
    )
    assert with_footer(reply, "\\c. You are ${client}\\nBye", macros) == (
        b"454-4.7.1 Relay access denied. You are x[1.2.3.4]\r\n454 4.7.1 Bye\r\n"
    )
    assert with_footer(reply, "", macros) == b"454 4.7.1 Relay access denied\r\n"


@pytest.mark.parametrize(
    ("reply", "soft"),
    [
        (ServerReply(550, "5.7.1", "no"), "450 4.7.1 no"),
        (ServerReply(521, "5.5.4", "no"), "421 4.5.4 no"),
        (ServerReply(554, "", "5.5 percent of it"), "454 5.5 percent of it"),
        (ServerReply(450, "4.7.1", "later"), "450 4.7.1 later"),
        (ServerReply(250, "2.0.0", "Ok"), "250 2.0.0 Ok"),
    ],
)
def test_soft_bounce_looks_at_codes_and_at_no_text(reply: ServerReply, soft: str) -> None:
    assert softened(reply).line == soft
