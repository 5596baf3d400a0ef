"""pipe(8): attributes of master.cf, arguments for each recipient, and the form that flags= give a message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.deliver.pipe_arguments import AddressFormat, UnknownMacro, expanded, recipient_values
from gatepost.deliver.pipe_attributes import PipeFault, pipe_attributes, unescaped, working_directory
from gatepost.deliver.pipe_form import pipe_form
from gatepost.mail.content import MemoryContent
from gatepost.mail.envelope import Recipient

ODD = "Odd Name+Ext@PIPE.test"
BODY = b"Subject: x\r\n\r\nFrom the start\r\n>From quoted\r\n.dot line\r\nend\r\n"


def test_attributes() -> None:
    found = pipe_attributes(("flags=DRX.", "user=vmail:mail", r"eol=\r\n", "size=100", "argv=/bin/x", "-f", "user=other"))
    assert (found.user, found.group, found.eol, found.size) == ("vmail", "mail", b"\r\n", 100)
    assert found.argv == ("/bin/x", "-f", "user=other")
    assert found.flags == set("DRX.")


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (("argv=/bin/true",), "missing user= command-line attribute"),
        (("user=vmail",), "missing argv= command-line attribute"),
        (("user=vmail", "argv="), "missing argv= command-line attribute"),
        (("user=vmail", "speed=9", "argv=/bin/x"), "unknown attribute name: speed=9"),
        (("user=vmail", "size=big", "argv=/bin/x"), "bad size= value: big"),
    ],
)
def test_attributes_that_cannot_work(arguments: tuple[str, ...], fault: str) -> None:
    with pytest.raises(PipeFault, match=fault):
        pipe_attributes(arguments)


@pytest.mark.parametrize(
    ("written", "directory"),
    [((), "/queue"), (("directory=/d",), "/d"), (("chroot=/c",), "/"), (("chroot=/c", "directory=/d"), "/d")],
)
def test_where_the_command_runs(written: tuple[str, ...], directory: str) -> None:
    assert working_directory(pipe_attributes(("user=vmail", *written, "argv=/bin/x")), "/queue") == directory


def test_escapes() -> None:
    assert unescaped(r"\r\n\012\\x\q") == "\r\n\n\\xq"


@pytest.mark.parametrize(
    ("flags", "recipient", "domain"),
    [
        ("", ODD, "PIPE.test"),
        ("q", '"Odd Name+Ext"@PIPE.test', "PIPE.test"),
        ("hq", '"Odd Name+Ext"@pipe.test', "pipe.test"),
        ("u", "odd name+ext@PIPE.test", "PIPE.test"),
    ],
)
def test_how_flags_write_a_recipient(flags: str, recipient: str, domain: str) -> None:
    values = recipient_values(ODD, ODD, AddressFormat(frozenset(flags), "+"))
    assert (values["recipient"], values["domain"]) == (recipient, domain)
    assert values["extension"].lower() == "ext"


def test_arguments_about_recipients_are_repeated() -> None:
    people = [recipient_values(a, a, AddressFormat()) for a in ("a@x.test", "b@x.test")]
    argv = ("/bin/x", "-f", "${sender}", "--", "x${recipient}y", "($domain)", "$$HOME", "one two")
    assert expanded(argv, {"sender": "s@y.test"}, people) == (
        "/bin/x", "-f", "s@y.test", "--", "xa@x.testy", "xb@x.testy", "(x.test)", "(x.test)", "$HOME", "one two",
    )  # fmt: skip


def test_an_unknown_name() -> None:
    with pytest.raises(UnknownMacro, match='unknown macro name: "nosuch"'):
        expanded(("/bin/x", "${nosuch}"), {}, [])


@given(st.text(), st.text())
def test_no_value_becomes_a_reference_or_another_argument(sender: str, local: str) -> None:
    person = recipient_values(f"{local}@x.test", "", AddressFormat())
    assert expanded(("a", "$sender", "$mailbox"), {"sender": sender}, [person]) == ("a", sender, local)


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        ("", b"Subject: x\n\nFrom the start\n>From quoted\n.dot line\nend\n"),
        ("R", b"Return-Path: <NOBODY>\nSubject: x\n\nFrom the start\n>From quoted\n.dot line\nend\n"),
        ("DO", b'X-Original-To: o@x.test\nDelivered-To: "Odd Name+Ext"@PIPE.test\nSubject: x\n\nFrom the start\n>From quoted\n'
               b".dot line\nend\n"),
        (".>B", b"Subject: x\n\n>From the start\n>From quoted\n..dot line\nend\n\n"),
    ],
)  # fmt: skip
def test_form(flags: str, wanted: bytes) -> None:
    attributes = pipe_attributes((f"flags={flags}", "user=u", "null_sender=NOBODY", "argv=x"))
    assert b"".join(pipe_form(attributes, "", Recipient(ODD, "o@x.test"), MemoryContent(BODY), 0.0)) == wanted


def test_line_ends_of_the_service() -> None:
    attributes = pipe_attributes(("user=u", r"eol=\r\n", "argv=x"))
    assert b"".join(pipe_form(attributes, "s@x.test", Recipient("a@x.test"), MemoryContent(BODY), 0.0)) == BODY
