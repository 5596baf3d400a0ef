"""What the codes of LDAP say of a server."""

import pytest

from gatepost.lookup import libldap
from gatepost.lookup.ldap_connection import Outcome, failure, judged
from gatepost.lookup.libldap import LdapError
from gatepost.net.stream_port import StreamFailure, Trouble


@pytest.mark.parametrize("code", [0, 4, 10, 32, 34, 50, -7])
def test_what_is_said_of_the_question_is_an_answer(code: int) -> None:
    outcome = Outcome(code, "words", [])
    assert judged(outcome) is outcome


@pytest.mark.parametrize(
    ("code", "trouble"),
    [
        (libldap.TIMELIMIT_EXCEEDED, Trouble.TIMEOUT),
        (libldap.BUSY, Trouble.GARBAGE),
        (libldap.UNAVAILABLE, Trouble.GARBAGE),
        (libldap.UNWILLING, Trouble.GARBAGE),
    ],
)
def test_a_server_that_cannot_answer_is_no_answer(code: int, trouble: Trouble) -> None:
    """Another may: such a code must not end the question."""
    with pytest.raises(StreamFailure, match="words") as failed:
        judged(Outcome(code, "words", []))
    assert failed.value.trouble is trouble


def test_an_error_that_nobody_knows_is_a_failure() -> None:
    assert failure(LdapError(-99, "odd"), heard=False).trouble is Trouble.GARBAGE
    assert failure(LdapError(libldap.SERVER_DOWN, "gone"), heard=False).trouble is Trouble.CLOSED
