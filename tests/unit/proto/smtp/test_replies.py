"""Reply lines, and that no text can forge one."""

from gatepost.mail.outcome import Class, Outcome
from gatepost.proto.smtp import replies


def test_one_line() -> None:
    assert replies.wire("250 2.1.0 Ok") == b"250 2.1.0 Ok\r\n"
    assert replies.text_of(Outcome(Class.PERMANENT, "5.7.1", "Access denied", 554)) == "554 5.7.1 Access denied"
    assert replies.text_of(Outcome(Class.TEMPORARY, "", "later")) == "450 later"


def test_a_text_cannot_forge_a_reply() -> None:
    assert replies.wire("550 5.7.1 no\r\n250 yes") == b"550 5.7.1 no  250 yes\r\n"


def test_several_lines() -> None:
    assert replies.multiline(250, ["mail.example.test", "SIZE 10", "DSN"]) == b"250-mail.example.test\r\n250-SIZE 10\r\n250 DSN\r\n"


def test_footers() -> None:
    reply, macros = "454 4.7.1 Relay access denied", {"client": "x[1.2.3.4]"}
    assert replies.with_footer(reply, "see http://help.test", macros) == (
        b"454-4.7.1 Relay access denied\r\n454 4.7.1 see http://help.test\r\n"
    )
    assert replies.with_footer(reply, "\\c. You are ${client}\\nBye", macros) == (
        b"454-4.7.1 Relay access denied. You are x[1.2.3.4]\r\n454 4.7.1 Bye\r\n"
    )
    assert replies.with_footer(reply, "", macros) == b"454 4.7.1 Relay access denied\r\n"
