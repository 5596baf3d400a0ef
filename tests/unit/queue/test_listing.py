"""The queue listing as Postfix prints it with long queue ids, and as JSON."""

import json

from hypothesis import given
from hypothesis import strategies as st

from gatepost.mail.queue_id import QueueId, parse
from gatepost.queue import listing
from gatepost.queue.inspect import ListedMessage, Run, Singles

_ID = parse("4jYwrj49v8zJJ2p")
_REASON = "deferred transport"


def text(*messages: ListedMessage) -> list[str]:
    return "".join(listing.for_people([list(messages)] if messages else [])).split("\n")


def test_empty() -> None:
    assert text() == ["Mail queue is empty", ""]


def test_columns() -> None:
    found = text(ListedMessage(_ID, "a2@b.test", 241, "deferred", (Run(_REASON, ("x2@mail.example.test",)),)))
    assert found[0] == "----Queue ID----- --Size-- ---Arrival Time---- --Sender/Recipient------"
    assert found[1].startswith("4jYwrj49v8zJJ2p        241 Tue Nov 24 ")
    assert found[1].endswith(" a2@b.test")
    assert found[2] == " " * 58 + "(deferred transport)"
    assert found[3] == " " * 47 + "x2@mail.example.test"
    assert found[4:] == ["", "-- 0 Kbytes in 1 Request.", ""]


def test_marks_and_sum() -> None:
    one = (Run("", ("x@y.test",)),)
    found = text(
        ListedMessage(_ID, "", 1024, "active", one),
        ListedMessage(_ID, "s@y.test", 1024, "hold", one, expire=True),
    )
    assert found[1].startswith(f"{_ID}*      1024 ")
    assert found[1].endswith(" MAILER-DAEMON")
    assert found[4].startswith(f"{_ID}!#     1024 ")
    assert found[-2] == "-- 2 Kbytes in 2 Requests."


def test_a_reason_is_told_once_for_neighbours() -> None:
    found = text(ListedMessage(_ID, "s", 1, "deferred", (Run(_REASON, ("a", "b")), Run("other", ("c",)))))
    assert [line.strip() for line in found[2:7]] == [f"({_REASON})", "a", "b", "(other)", "c"]


def test_what_strangers_wrote_does_nothing_to_a_terminal() -> None:
    """Any client may have chosen an address with control characters, and any server the words of a reason."""
    runs = (Run("no\x1b]0;t\x07\n", ("\x9b1m@y.test", "ok@y.test", "\u202e@z.test")),)
    told = "".join(listing.for_people([[ListedMessage(_ID, "\x1b[2J@x.test", 1, "deferred", runs)]]))
    assert all(line.isprintable() for line in told.split("\n"))
    assert '"?[2J"@x.test' in told
    assert "(no?]0;t??)" in told
    assert " ok@y.test\n" in told


def test_a_damaged_key_has_an_id() -> None:
    """Whatever stands in a database: to write it down comes to an end."""
    assert [str(QueueId(key, partition)) for key, partition in ((-5, 1), (5, -1))]


def test_json() -> None:
    message = ListedMessage(QueueId(1_000_000, 0), "", 7, "hold", (Run(_REASON, ("q r@d",)), Run("", ("ü",))))
    [line] = listing.as_json([[message]])
    assert json.loads(line) == {
        "queue_name": "hold",
        "queue_id": "0000010000z0",
        "arrival_time": 1,
        "message_size": 7,
        "forced_expire": False,
        "sender": "MAILER-DAEMON",
        "recipients": [{"address": '"q r"@d', "delay_reason": _REASON}, {"address": "ü"}],
    }


_SOME = ("", "a@b.test", "a.b@c.test", "q r@d", "a@b@c", 'x"y@d', ".a@b", "a.@b", "@b", "a")
_ADDRESSES = st.one_of(st.sampled_from(_SOME), st.text())
_ROWS = st.tuples(
    st.builds(QueueId, st.integers(0, 1 << 51), st.integers(0, 9)),
    _ADDRESSES,
    st.integers(0, 1 << 40),
    st.sampled_from(("active", "hold", "incoming", "deferred")),
    st.sampled_from(("", _REASON, 'said: "\x07"')),
    _ADDRESSES,
    st.booleans(),
)


@given(st.lists(_ROWS, min_size=1, max_size=5))
def test_many_at_once_are_written_as_each_alone(rows: list[tuple[QueueId, str, int, str, str, str, bool]]) -> None:
    batch = Singles(*zip(*rows, strict=True))
    for form in (listing.for_people, listing.as_json):
        assert "".join(form([batch])) == "".join(form([list(batch)]))
