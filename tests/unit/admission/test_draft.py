"""What may be done to a message on its way in: each operation, and the border that it stands at."""

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.admission.drafts import HEAD, Octets, draft

from gatepost.admission.draft import LONGEST_ADDRESS, USUAL, Draft, EditImpossible, Limits
from gatepost.admission.edits import (
    AddHeader,
    AddRecipient,
    ChangeHeader,
    ChangeSender,
    DeleteHeader,
    DeleteRecipient,
    DropHeaders,
    Edit,
    EndRecipients,
    InsertHeader,
    PrefixHeader,
    ReplaceBody,
)
from gatepost.admission.port import Finding, Severity
from gatepost.mail import header
from gatepost.mail.envelope import Recipient
from gatepost.mail.outcome import bounced, deferred

MALFORMED = [b"a\rb", b"a\0b", b"a\nX-Smuggled: b", b"a\r\n\r\nbody", b"a\n \n b", b"a\n", b"a\r\n"]


def edited(*edits: Edit, limits: Limits = USUAL) -> Draft:
    one = draft(limits=limits)
    asyncio.run(one.edit(edits))
    return one


@pytest.mark.parametrize(
    ("edit", "head"),
    [
        (AddHeader(b"X-B", b"b"), HEAD + b"X-B: b\r\n"),
        (AddHeader(b"X-B", b" b\n\tc"), HEAD + b"X-B: b\r\n\tc\r\n"),
        (InsertHeader(0, b"X-B", b"b"), b"X-B: b\r\n" + HEAD),
        (InsertHeader(1, b"X-B", b"b"), HEAD.replace(b"Subject", b"X-B: b\r\nSubject")),
        (InsertHeader(99, b"X-B", b"b"), HEAD + b"X-B: b\r\n"),
        (InsertHeader(-1, b"X-B", b"b"), b"X-B: b\r\n" + HEAD),
        (ChangeHeader(b"subject", 1, b"two"), HEAD.replace(b"Subject: one", b"subject: two")),
        (ChangeHeader(b"X-A", 2, b"3"), HEAD.replace(b"x-a: 2", b"X-A: 3")),
        (ChangeHeader(b"X-A", 3, b"3"), HEAD + b"X-A: 3\r\n"),
        (DeleteHeader(b"X-A", 1), HEAD.replace(b"X-A: 1\r\n", b"")),
        (DeleteHeader(b"X-A", 3), HEAD),
        (DeleteHeader(b"X-A", 0), HEAD),
        (DeleteHeader(b"", 1), HEAD),
        (DropHeaders(frozenset(("x-a",))), HEAD.replace(b"X-A: 1\r\nx-a: 2\r\n", b"")),
        (DropHeaders(frozenset(("x",)), ("x-",)), HEAD.replace(b"X-A: 1\r\nx-a: 2\r\n", b"")),
        (DropHeaders(), HEAD),
        (PrefixHeader(b"subject", b"***"), HEAD.replace(b"one", b"*** one")),
        (PrefixHeader(b"Subject", b"one"), HEAD),
        (PrefixHeader(b"X-A", b"0"), HEAD.replace(b"X-A: 1\r\nx-a: 2", b"X-A: 0 1\r\nx-a: 0 2")),
        (PrefixHeader(b"X-B", b"b"), b"X-B: b\r\n" + HEAD),
    ],
)
def test_headers_are_edited(edit: Edit, head: bytes) -> None:
    one = edited(edit)
    assert one.head == head
    assert isinstance(one.source, Octets)
    assert not one.source.read  # nobody needed the body


@pytest.mark.parametrize("value", MALFORMED)
@pytest.mark.parametrize(
    "make", [lambda v: AddHeader(b"X", v), lambda v: InsertHeader(0, b"X", v), lambda v: ChangeHeader(b"X-A", 1, v)]
)
def test_no_value_becomes_another_header_or_a_body(make: object, value: bytes) -> None:
    with pytest.raises(EditImpossible):
        edited(make(value))  # type: ignore[operator]


@pytest.mark.parametrize("name", [b"", b" X", b"X ", b"X:", b"X\r\nY", b"X\0", "Ü".encode(), b"X" * 3000])
def test_no_name_that_is_none(name: bytes) -> None:
    with pytest.raises(EditImpossible):
        edited(AddHeader(name, b"a"))


@given(st.lists(st.tuples(st.integers(-2, 9), st.binary(max_size=12), st.binary(max_size=30))))
def test_whatever_is_inserted_the_section_stays_one_of_that_many_headers(inserts: list[tuple[int, bytes, bytes]]) -> None:
    one, expected = draft(), 4
    for position, name, value in inserts:
        try:
            one.insert_header(position, name, value)
        except EditImpossible:
            continue
        expected += 1
    section = header.split(one.head + b"\r\n")
    assert (len(section.headers), section.complete, section.end) == (expected, True, len(one.head))
    assert [h.raw for h in section.headers] == [h.raw for h in one.headers]


def test_headers_have_limits() -> None:
    with pytest.raises(EditImpossible, match="more than 10 octets"):
        edited(AddHeader(b"X", b"1234567"), limits=Limits(header=10))
    with pytest.raises(EditImpossible, match="of headers"):
        edited(ChangeHeader(b"X-A", 1, b"12"), limits=Limits(section=len(HEAD)))
    assert edited(ChangeHeader(b"X-A", 1, b"9"), limits=Limits(section=len(HEAD))).head == HEAD.replace(b"1", b"9")


# --- bodies ---


def body_of(*chunks: bytes, limits: Limits = USUAL) -> bytes:
    return b"".join(edited(ReplaceBody(lambda: iter(chunks)), limits=limits).body())


@pytest.mark.parametrize(
    ("chunks", "body"), [((), b""), ((b"a\r", b"\nb\r\n"), b"a\r\nb\r\n"), ((b"a", b"b"), b"ab\r\n"), ((b"", b"a\r\n"), b"a\r\n")]
)
def test_a_body_is_replaced(chunks: tuple[bytes, ...], body: bytes) -> None:
    assert body_of(*chunks) == body


@pytest.mark.parametrize("chunks", [(b"a\n",), (b"a\rb",), (b"a\r",), (b"a\r", b"b"), (b"a", b"\nb\r\n")])
def test_a_body_with_stray_line_ends_is_none(chunks: tuple[bytes, ...]) -> None:
    with pytest.raises(EditImpossible):
        body_of(*chunks)


def test_a_body_without_end_is_not_read_to_it() -> None:
    given_out = 0

    def endless() -> Iterator[bytes]:
        nonlocal given_out
        while True:
            given_out += 1
            yield b"0123456\r\n"

    with pytest.raises(EditImpossible):
        edited(ReplaceBody(endless), limits=Limits(message=90))
    assert given_out == 11


# --- envelopes ---


def test_recipients_come_and_go_through_expansion() -> None:
    one = edited(AddRecipient(Recipient("list@here.test")))
    assert [r.address for r in one.envelope.recipients] == ["b@there.test", "a@here.test", "b@here.test"]
    asyncio.run(one.edit([DeleteRecipient("List@here.test"), DeleteRecipient("nobody@here.test")]))
    assert [r.address for r in one.envelope.recipients] == ["b@there.test"]


@pytest.mark.parametrize(
    ("deleted", "left"),
    [
        ("User@there.test", ["user@there.test"]),
        ("user@there.test", ["User@there.test"]),
        ("USER@there.test", []),
    ],
)
def test_of_recipients_that_differ_in_case_the_one_that_is_named_goes(deleted: str, left: list[str]) -> None:
    one = edited(AddRecipient(Recipient("User@there.test")), AddRecipient(Recipient("user@there.test")))
    before = [r.address for r in one.envelope.recipients if r.address.lower() != "user@there.test"]
    asyncio.run(one.edit([DeleteRecipient(deleted)]))
    assert [r.address for r in one.envelope.recipients] == [*before, *left]


def test_the_sender_is_changed() -> None:
    assert edited(ChangeSender("new")).envelope.sender == "new@here.test"
    assert edited(ChangeSender("")).envelope.sender == ""


@pytest.mark.parametrize("address", ["a\r\nb@x.test", "a\0@x.test", "\ud800@x.test", "a" * (LONGEST_ADDRESS + 1)])
@pytest.mark.parametrize("make", [lambda a: AddRecipient(Recipient(a)), DeleteRecipient, ChangeSender])
def test_what_cannot_be_an_address_is_refused(make: object, address: str) -> None:
    with pytest.raises(EditImpossible):
        edited(make(address))  # type: ignore[operator]


def test_an_empty_recipient_and_one_too_many_are_refused() -> None:
    with pytest.raises(EditImpossible, match="empty"):
        edited(AddRecipient(Recipient("")))
    with pytest.raises(EditImpossible, match="more than 1 recipients"):
        edited(AddRecipient(Recipient("a@here.test")), limits=Limits(recipients=1))


# --- all or nothing ---


def test_a_finding_with_one_impossible_edit_changes_nothing() -> None:
    one = draft()
    before = (one.head, one.envelope, b"".join(one.body()))
    every: list[Edit] = [AddHeader(b"X", b"y"), AddRecipient(Recipient("a@here.test")), ChangeSender("n")]
    broken: list[list[Edit]] = [
        [ReplaceBody(lambda: iter([b"no\r\n"])), AddHeader(b"X", b"\0")],
        [ReplaceBody(lambda: iter([b"\n"]))],
        [ReplaceBody(lambda: iter([b"no\r\n"])), ReplaceBody(lambda: iter([b"\n"]))],
        [ReplaceBody(lambda: iter([b"\n"])), ReplaceBody(lambda: iter([b"no\r\n"]))],
    ]
    for edits in broken:
        with pytest.raises(EditImpossible):
            asyncio.run(one.edit([*every, *edits]))
        assert (one.head, one.envelope, b"".join(one.body())) == before


def test_of_several_bodies_the_last_one_counts() -> None:
    one = edited(ReplaceBody(lambda: iter([b"1\r\n"])), ReplaceBody(lambda: iter([b"2\r\n"])))
    assert b"".join(one.body()) == b"2\r\n"


# --- what becomes of it ---


def test_findings_are_obeyed() -> None:
    one = draft()
    one.obey(Finding("f", Severity.HOLD))
    assert one.envelope.hold
    one.obey(Finding("f", Severity.QUARANTINE, reason="spam"))
    assert one.quarantine == "spam"
    assert not one.settled
    one.obey(Finding("f", Severity.DISCARD))
    assert one.settled


def test_the_first_refusal_counts_but_for_good_is_more_than_for_now() -> None:
    one = draft()
    for outcome in (deferred("a"), deferred("b")):
        one.refuse(outcome)
    assert one.refusal == deferred("a")
    for outcome in (bounced("c"), bounced("d"), deferred("e")):
        one.refuse(outcome)
    assert one.refusal == bounced("c")
    assert one.settled


def test_recipients_who_do_not_get_it_are_told_of_to_the_ledger() -> None:
    outcome = bounced("quarantined")
    one = edited(AddRecipient(Recipient("list@here.test")), EndRecipients({"a@here.test": outcome, "nobody@here.test": outcome}))
    assert [recipient.address for recipient in one.addressees.final] == ["b@there.test", "b@here.test"]
    assert [(ended.recipient.address, ended.outcome) for ended in one.ended] == [("a@here.test", outcome)]


def test_a_recipient_is_ended_by_where_the_message_goes_and_not_by_what_it_was() -> None:
    one = edited(AddRecipient(Recipient("list@here.test")), EndRecipients({"list@here.test": bounced("quarantined")}))
    assert len(one.addressees.final) == 3
    assert one.ended == []


def test_what_cannot_be_made_whole_ends_nobody() -> None:
    one = draft()
    with pytest.raises(EditImpossible):
        asyncio.run(one.edit((EndRecipients({"b@there.test": bounced("x")}), AddHeader(b"", b""))))
    assert one.ended == []
    assert len(one.addressees.final) == 1


def test_the_message_is_seen_as_it_is() -> None:
    one = edited(AddHeader(b"X-B", b"b"))
    assert one.content().read() == HEAD + b"X-B: b\r\n\r\ntext\r\n"
