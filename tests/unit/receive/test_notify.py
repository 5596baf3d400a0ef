"""Values of NOTIFY, as Postfix 3.7.11 takes them (RFC 3461 §4.1; empty members are no fault there)."""

import pytest

from gatepost.mail.envelope import Notify
from gatepost.receive.envelope_parameters import notify_bits


@pytest.mark.parametrize(
    ("value", "bits"),
    [
        ("SUCCESS", Notify.SUCCESS),
        ("success", Notify.SUCCESS),
        ("SUCCESS,", Notify.SUCCESS),
        (",SUCCESS", Notify.SUCCESS),
        ("SUCCESS,,FAILURE", Notify.SUCCESS | Notify.FAILURE),
        ("SUCCESS,SUCCESS", Notify.SUCCESS),
        ("NEVER,", Notify.NEVER),
        ("NEVER,NEVER", Notify.NEVER),
        (",NEVER,", Notify.NEVER),
        ("NEVER,SUCCESS", 0),
        ("SUCCESS,NEVER", 0),
        (",", 0),
        ("", 0),
        ("SOMETIMES", 0),
    ],
)
def test_notify(value: str, bits: int) -> None:
    assert notify_bits(value) == bits
