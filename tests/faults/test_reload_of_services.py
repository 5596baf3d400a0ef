"""What a reload changes for sessions: open ones go on under the rules that they began with, new ones have the new rules."""

import contextlib
from collections.abc import Mapping

import pytest

from tests.support.milters import ScriptedFilter, reply
from tests.support.running import Client, System, wait_for
from tests.support.sink import Sink

RCPT = "RCPT TO:<b@example.net>"


class Change:
    """Parameters before and after a reload, and the reply to RCPT under each."""

    def __init__(self, before: Mapping[str, str], after: Mapping[str, str], replies: tuple[int, int]) -> None:
        self.before, self.after, self.replies = before, after, replies


def rcpt(client: Client) -> int:
    """The reply to a recipient in a new transaction."""
    client.say("RSET")
    assert client.say("MAIL FROM:<a@example.com>")[0] == 250
    return client.say(RCPT)[0]


TABLES = {
    "inline": Change(
        {"smtpd_recipient_restrictions": "check_recipient_access inline:{b@example.net=DUNNO}"},
        {"smtpd_recipient_restrictions": "check_recipient_access inline:{b@example.net=REJECT}"},
        (250, 554),
    ),
    "greylisting begins": Change(
        {"smtpd_recipient_restrictions": "", "greylist_delay": "1h"},
        {"smtpd_recipient_restrictions": "check_greylist"},
        (250, 450),
    ),
    "greylist_delay": Change(
        {"smtpd_recipient_restrictions": "check_greylist", "greylist_delay": "1h"},
        {"greylist_delay": "0s"},
        (450, 250),
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_rules_change_for_new_sessions(name: str) -> None:
    change = TABLES[name]
    with Sink() as sink, System({"smtpd_delay_reject": "yes", **change.before}, relay=sink.port) as system:
        with system.client() as early:
            early.say("EHLO client.example.com")
            assert rcpt(early) == change.replies[0]
            system.configure(change.after)
            _reloaded(system)
            wait_for(lambda: _answer_to_new_session(system) == change.replies[1], "a session by the new rules")
            assert rcpt(early) == change.replies[0]


def _reloaded(system: System) -> None:
    before = system.workers()
    system.reload()
    system.logged("reload -- version")
    wait_for(lambda: set(system.workers()) - set(before), "new workers")


def _answer_to_new_session(system: System) -> int:
    """An old worker that has not yet heard that it is one may take it."""
    with system.client() as late:
        late.say("EHLO client.example.com")
        return rcpt(late)


def test_filters_change_for_new_sessions_and_stay_for_open_ones() -> None:
    """A message that is being handed in is seen to its end by the filter that saw its beginning."""
    with contextlib.ExitStack() as stack:
        sink = stack.enter_context(Sink())
        first, second = ScriptedFilter({}), ScriptedFilter({"R": reply("550 5.7.1 not with me")})
        stack.callback(first.stop)
        stack.callback(second.stop)
        system = stack.enter_context(System({"smtpd_milters": first.name}, relay=sink.port))
        early = stack.enter_context(system.client())
        early.envelope()
        system.configure({"smtpd_milters": second.name})
        _reloaded(system)
        wait_for(lambda: _answer_to_new_session(system) == 550, "a session by the new filter")
        assert early.say("DATA")[0] == 354
        early.write(b"X-Id: early\r\n\r\nbody\r\n.\r\n")
        assert early.reply()[0] == 250
        assert first.told("E")
        wait_for(lambda: sink.ids() == {"early": 1}, "the message")
