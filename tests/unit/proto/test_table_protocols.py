"""Tables that a server has, each in its protocol: found, not found, refused, garbage; whole and octet by octet."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.proto.exchange import Exchange, ProtocolError
from gatepost.proto.memcache import MemcacheDelete, MemcacheGet, MemcacheSet, Sizes, is_key
from gatepost.proto.redis import RedisCommand, RedisLogin
from gatepost.proto.socketmap import SocketmapQuery
from gatepost.proto.table_answer import Refused, TableAnswer
from gatepost.proto.tcp_table import LINE_LIMIT, TcpQuery

SIZES = Sizes(line=64, data=32)
ANSWER_LIMIT = 100_000
QUERIES: dict[str, Callable[[], Exchange[TableAnswer]]] = {
    "tcp": lambda: TcpQuery(b"a key%"),
    "socketmap": lambda: SocketmapQuery(b"map a key", ANSWER_LIMIT),
    "memcache": lambda: MemcacheGet(b"key", SIZES),
    "redis": lambda: RedisCommand(b"GET", b"a\r\nkey", limit=32),
}
QUESTIONS = {
    "tcp": b"get a%20key%25\n",
    "socketmap": b"9:map a key,",
    "memcache": b"get key\r\n",
    "redis": b"*2\r\n$3\r\nGET\r\n$6\r\na\r\nkey\r\n",
}
ANSWERS: list[tuple[str, bytes, TableAnswer]] = [
    ("tcp", b"200 a%20value%0a\n", b"a value\n"),
    ("tcp", b"200 a value\n", b"a value"),
    ("tcp", b"500 not found\n", None),
    ("tcp", b"400 come%20again\n", Refused("come again")),
    ("socketmap", b"10:OK a value,", b"a value"),
    ("socketmap", b"3:OK ,", b""),
    ("socketmap", b"9:NOTFOUND ,", None),
    ("socketmap", b"8:NOTFOUND,", None),
    ("socketmap", b"10:TEMP later,", Refused("TEMP later")),
    ("socketmap", b"8:TIMEOUT ,", Refused("TIMEOUT")),
    ("socketmap", b"7:PERM no,", Refused("PERM no")),
    ("memcache", b"VALUE key 0 7\r\na value\r\nEND\r\n", b"a value"),
    ("memcache", b"VALUE key 0 4\r\n\r\nEN\r\nEND\r\n", b"\r\nEN"),
    ("memcache", b"END\r\n", None),
    ("memcache", b"SERVER_ERROR out of memory\r\n", Refused("SERVER_ERROR out of memory")),
    ("redis", b"$7\r\na value\r\n", b"a value"),
    ("redis", b"$4\r\n\r\n+x\r\n", b"\r\n+x"),
    ("redis", b"$-1\r\n", None),
    ("redis", b":17\r\n", b"17"),
    ("redis", b"+OK\r\n", b"OK"),
    ("redis", b"-LOADING wait\r\n", Refused("LOADING wait")),
]
GARBAGE = [
    ("tcp", b"hello\n"),
    ("tcp", b"250 ok\n"),
    ("tcp", b"200\n"),
    ("tcp", b"200 50% off\n"),
    ("tcp", b"200 " + b"x" * LINE_LIMIT),
    ("socketmap", b"x"),
    ("socketmap", b":OK ,"),
    ("socketmap", b"05:OK ab,"),
    ("socketmap", b"5:OK abc,"),
    ("socketmap", b"5:MAYBE,"),
    ("socketmap", b"%d:" % (ANSWER_LIMIT + 1)),
    ("socketmap", b"1" * 100),
    ("memcache", b"VALUE other 0 1\r\nx\r\nEND\r\n"),
    ("memcache", b"VALUE key 0 33\r\n"),
    ("memcache", b"VALUE key 0 1\r\nxyz\r\n"),
    ("memcache", b"VALUE key 0 -1\r\n"),
    ("memcache", b"hello\r\n"),
    ("memcache", b"x" * 100),
    ("redis", b"hello\r\n"),
    ("redis", b"$33\r\n"),
    ("redis", b"$1\r\nxyz\r\n"),
    ("redis", b"*1\r\n$1\r\nx\r\n"),
    ("redis", b"x" * 2000),
]


@pytest.mark.parametrize("protocol", QUERIES)
def test_a_key_goes_over_with_nothing_in_it_that_ends_it(protocol: str) -> None:
    assert b"".join(QUERIES[protocol]().question()) == QUESTIONS[protocol]


@pytest.mark.parametrize(("protocol", "octets", "answer"), ANSWERS)
def test_answers_whole_and_in_pieces(protocol: str, octets: bytes, answer: TableAnswer) -> None:
    for size in (len(octets), 3, 1):
        query = QUERIES[protocol]()
        for at in range(0, len(octets), size):
            assert not query.done
            query.feed(octets[at : at + size])
        assert query.done
        assert query.answer == answer
        assert query.reusable or answer == Refused("SERVER_ERROR out of memory")


@pytest.mark.parametrize(("protocol", "octets", "answer"), ANSWERS)
def test_octets_behind_an_answer_leave_the_connection_unfit(protocol: str, octets: bytes, answer: TableAnswer) -> None:
    query = QUERIES[protocol]()
    query.feed(octets + b"x")
    assert query.answer == answer
    assert not query.reusable


@pytest.mark.parametrize(("protocol", "octets"), GARBAGE)
def test_garbage_is_no_answer(protocol: str, octets: bytes) -> None:
    with pytest.raises(ProtocolError):
        QUERIES[protocol]().feed(octets)


@pytest.mark.parametrize("protocol", QUERIES)
@given(octets=st.binary(max_size=100))
def test_any_octets_are_an_answer_or_an_error(protocol: str, octets: bytes) -> None:
    query = QUERIES[protocol]()
    try:
        query.feed(octets)
    except ProtocolError:
        return
    assert not query.done or query.answer is None or isinstance(query.answer, bytes | Refused)


@given(key=st.binary(max_size=40))
def test_an_encoded_key_of_tcp_is_one_printable_word(key: bytes) -> None:
    line = b"".join(TcpQuery(key).question())
    assert line.startswith(b"get ")
    assert line.endswith(b"\n")
    assert all(33 <= octet < 127 for octet in line[4:-1])


@pytest.mark.parametrize("key", [b"", b"a b", b"a\r\nflush_all", b"a\tb", b"a\x7f", b"x" * 251])
def test_what_memcached_cannot_have_is_no_key(key: bytes) -> None:
    assert not is_key(key)


def test_a_key_of_memcached_may_have_any_other_octet() -> None:
    assert is_key(b"user@\xc3\xa4.example" + b"x" * 100)


@pytest.mark.parametrize(
    ("change", "question", "words"),
    [
        (
            MemcacheSet(b"k", b"v\r\n", SIZES, flags=3, ttl=60),
            b"set k 3 60 3\r\nv\r\n\r\n",
            {b"STORED": b"STORED", b"NOT_STORED": None},
        ),
        (MemcacheDelete(b"k", SIZES), b"delete k\r\n", {b"DELETED": b"DELETED", b"NOT_FOUND": None}),
    ],
)
def test_changes_of_memcached(change: MemcacheSet | MemcacheDelete, question: bytes, words: dict[bytes, TableAnswer]) -> None:
    assert b"".join(change.question()) == question
    for word, answer in words.items():
        change.feed(word + b"\r\n")
        assert change.answer == answer
    change.feed(b"SERVER_ERROR x\r\n")
    assert change.answer == Refused("SERVER_ERROR x")
    with pytest.raises(ProtocolError):
        change.feed(b"VALUE\r\n")


STEPS = [(b"AUTH", b"pass\r\nword"), (b"SELECT", b"3")]


@pytest.mark.parametrize("size", [1, 3, 100])
def test_a_login_to_redis(size: int) -> None:
    login = RedisLogin(STEPS)
    assert b"".join(login.question()) == b"*2\r\n$4\r\nAUTH\r\n$10\r\npass\r\nword\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n"
    for at in range(0, 10, size):
        assert not login.done
        login.feed(b"+OK\r\n+OK\r\n"[at : at + size])
    assert login.done
    assert login.reusable


@pytest.mark.parametrize("octets", [b"-WRONGPASS no\r\n", b"+OK\r\n-ERR DB index is out of range\r\n", b"+PONG\r\n", b"x" * 2000])
def test_a_login_that_is_refused(octets: bytes) -> None:
    with pytest.raises(ProtocolError):
        RedisLogin(STEPS).feed(octets)
