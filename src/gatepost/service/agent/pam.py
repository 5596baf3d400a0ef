"""PAM, asked by the agent: a process for each question (pam_attempt.py), within a time limit, so many at one time.

The agent asks about no service that the configuration does not have PAM asked about (pam_grants.py), and hands on no name that
could mean something else to a module.
"""

import os
import sys
import threading
import time
from typing import Final

from gatepost.deliver.privileged import RIGHT, WRONG, Answer, CheckPassword, Done, Failed, RunCommand
from gatepost.proto.sasl.port import LONGEST_NAME
from gatepost.service.agent import pam_attempt, run_command
from gatepost.service.agent.pam_grants import PamGrant
from gatepost.service.agent.pam_guesses import PamGuesses

LONGEST_PASSWORD: Final = 511
"""Octets (PAM_MAX_RESP_SIZE, with its NUL)."""
_LONGEST_TIME: Final = 60.0
_LINE: Final = 4
"""So many times the questions at one time may wait for their turn."""
_SHARE: Final = 0.9
"""Of the time, after which the process has ended its own work; it is killed at the end of it."""
_WRONG: Final = Done(data=WRONG)


class PamDesk:
    """Decides and asks."""

    def __init__(self, grant: PamGrant) -> None:
        self._grant = grant
        self._turns = threading.BoundedSemaphore(max(grant.at_once, 1))
        self._guesses = PamGuesses(grant.guesses, grant.time_unit, time.monotonic)
        self._line = threading.BoundedSemaphore(max(grant.at_once, 1) * (_LINE + 1))

    def may(self, request: CheckPassword) -> bool:
        """Whether the configuration has a use for it."""
        return request.service in self._grant.services

    def answer(self, request: CheckPassword, until: float) -> Answer:
        """PAM's, by that time of the monotonic clock; Failed where there is none."""
        if not is_sound(request):
            return _WRONG
        until = min(until, time.monotonic() + min(request.time_limit, _LONGEST_TIME))
        if not self._line.acquire(blocking=False):
            return _none("too many questions are waiting")
        try:
            if not self._turns.acquire(timeout=max(until - time.monotonic(), 0.0)):
                return _none("too many questions are under way")
            try:
                return self._within_the_limit(request, until)
            finally:
                self._turns.release()
        finally:
            self._line.release()

    def _within_the_limit(self, request: CheckPassword, until: float) -> Answer:
        if not self._guesses.may_try(request.user, request.password):
            return _none("too many wrong passwords of this user")
        answer = _ask(request, until)
        if answer != _WRONG:
            self._guesses.take_back(request.user, request.password)
        return answer


def is_sound(request: CheckPassword) -> bool:
    """Whether name and password are such as somebody may have."""
    name = request.user
    if not name.isprintable() or not 0 < len(name.encode()) <= LONGEST_NAME:  # what cannot be encoded cannot be printed, either
        return False
    if not request.client.isprintable() or len(request.client) > LONGEST_NAME:
        return False
    return 0 < len(request.password) <= LONGEST_PASSWORD and b"\0" not in request.password


def _ask(request: CheckPassword, until: float) -> Answer:
    left = f"{max(until - time.monotonic(), 0.0) * _SHARE:.3f}"
    fields = (request.service.encode(), request.user.encode(), request.password, request.client.encode(), left.encode())
    command = RunCommand(
        argv=(sys.executable, "-I", "-S", pam_attempt.__file__),
        uid=os.getuid(),
        gid=os.getgid(),
        time_limit=_LONGEST_TIME,
        environment={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        directory="/",
    )
    try:
        ended = run_command.run(command, iter((b"".join(field + b"\0" for field in fields),)), until)
    except (run_command.NotStarted, OSError) as error:
        return _none(str(error))
    if ended.timed_out:
        return _none("no answer in time")
    return _meaning(ended)


def _meaning(ended: Done) -> Answer:
    """Only the very word is an answer: a module may have ended the process."""
    word, _, why = ended.data.decode("utf-8", "replace").partition(" ")
    if ended.exit_status == 0 and word in _ANSWERS and not why:
        return _ANSWERS[word]
    if word == pam_attempt.UNAVAILABLE:
        return _none(why)
    return _none(f"the process that asked it ended with status {ended.exit_status}")


_ANSWERS: Final = {pam_attempt.ACCEPTED: Done(data=RIGHT), pam_attempt.REFUSED: _WRONG}


def _none(why: str) -> Failed:
    return Failed("4.3.0", f"PAM: {why}"[:200], unseen=True)
