"""Class 24 at log-in: who tries names learns from no clock which of them there are. Work is compared, not time: a refusal takes its
second anyway (smtpd_auth_refusal_delay; tests/unit/auth/test_layers.py)."""

import time
from collections.abc import Callable
from itertools import count

import pytest

from gatepost.auth.backends import stored_password, user_file
from gatepost.proto.sasl.port import Refused

_ROUNDS = 12
_FACTOR = 2.0


def _cost(try_one: Callable[[], object]) -> float:
    """Seconds of processor for some tries: the best of three runs."""
    runs = []
    for _ in range(3):
        begun = time.process_time()
        for _ in range(_ROUNDS):
            try_one()
        runs.append(time.process_time() - begun)
    return min(runs)


@pytest.mark.parametrize("application_passwords", [0, 5])
def test_a_user_of_the_file_costs_what_one_costs_that_there_is_not(application_passwords: int) -> None:
    lines = [f"anna:{stored_password.hashed(b'right')}", f"ben:{stored_password.hashed(b'other')}"]
    lines += [f"anna:{stored_password.hashed_token(f'x{n}')}:{n}" for n in range(application_passwords)]
    users, numbers = user_file.parse("\n".join(lines)), count()
    assert users.faults == ()

    def guess(login: str) -> None:
        assert user_file.verdict(users, login, b"%d" % next(numbers)) == Refused()

    known, unknown = _cost(lambda: guess("anna")), _cost(lambda: guess("nobody"))
    assert known < unknown * _FACTOR and unknown < known * _FACTOR
