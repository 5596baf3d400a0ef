"""A secret is read by whoever uses it, and shown by nobody."""

import copy
import pickle
import traceback

import msgspec
import pytest

from gatepost.proto.sasl import cram_md5, plain
from gatepost.proto.sasl.port import Credentials, IsPassword, Keys, Secret

TELLING = "never-to-be-seen"
SECRET = Secret(TELLING.encode())


@pytest.mark.parametrize("value", [SECRET, Credentials("u", SECRET), IsPassword("u", SECRET), Keys("u", SECRET), [SECRET]])
def test_no_text_shows_it(value: object) -> None:
    assert TELLING not in f"{value} {value!r}"


@pytest.mark.parametrize("write", [msgspec.json.encode, msgspec.msgpack.encode, pickle.dumps, copy.copy])
def test_nothing_writes_it_down(write: object) -> None:
    with pytest.raises(TypeError):
        write(SECRET)  # type: ignore[operator]


def test_a_client_s_octets() -> None:
    """draft-murchison-sasl-login has no example; RFC 2195 §2 and RFC 4616 §4 do."""
    tim = cram_md5.client(Credentials("tim", Secret(b"tanstaaftanstaaf")))
    assert next(tim) == b""
    assert tim.send(b"<1896.697170952@postoffice.reston.mci.net>") == b"tim b913a602c7eda7a495b4e6e7334d3890"
    assert next(plain.client(Credentials("tim", Secret(b"tanstaaftanstaaf")))) == b"\0tim\0tanstaaftanstaaf"


def test_a_trace_of_a_fault_shows_none() -> None:
    try:
        raise RuntimeError(IsPassword("u", SECRET))
    except RuntimeError as fault:
        assert TELLING not in "".join(traceback.format_exception(fault))
