"""Which recipients share a destination, and its window."""

import pytest
from tests.support.settings import default, transport_limits

from gatepost.queue.destinations import Destinations, Job
from gatepost.queue.settings import QueueSettings

_PROGRAMS = {"local": "local", "here": "local", "virtual": "virtual", "maildrop": "pipe"}


def destinations(recipient_limit: int = 1, **settings: object) -> Destinations:
    limits = transport_limits(destination_recipient_limit=recipient_limit, initial_destination_concurrency=2)
    return Destinations(
        lambda _: limits, default(QueueSettings, recipient_delimiter="+", **settings), lambda name: _PROGRAMS.get(name, name)
    )


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (("virtual", "Host.test", "alice@host.test"), ("virtual", "host.test", "Alice+more@HOST.test"), True),
        (("virtual", "host.test", "alice+a+b@host.test"), ("virtual", "host.test", "alice@host.test"), True),
        (("virtual", "host.test", "alice@host.test"), ("virtual", "host.test", "bob@host.test"), False),
        (("virtual", "host.test", "alice@host.test"), ("virtual", "other.test", "alice@other.test"), False),
        (("maildrop", "x", "alice@a.test"), ("maildrop", "x", "alice@b.test"), True),
        (("local", "a.test", "alice@a.test"), ("local", "b.test", "alice+x@b.test"), True),
        (("local", "a.test", "alice@a.test"), ("here", "a.test", "alice@a.test"), False),
        (("local", "a.test", "alice"), ("local", "a.test", "alice@a.test"), True),
        (("local", "a.test", "+a@a.test"), ("local", "a.test", "+b@a.test"), False),
        (("local", "a.test", "mailer-daemon@a.test"), ("local", "a.test", "MAILER-DAEMON@a.test"), True),
        (("lmtp", "unix:/Box", "a@x.test"), ("lmtp", "unix:/box", "a@x.test"), False),
    ],
)
def test_users(one: tuple[str, str, str], other: tuple[str, str, str], same: bool) -> None:
    """Seen with Postfix 3.7: mail for aLice+1 to aLice+6 goes out two at a time; extension and case make no other recipient."""
    known = destinations()
    assert (known.site(*one) is known.site(*other)) is same


def test_a_user_s_slots_are_his_own() -> None:
    """300 messages to one user, each with another extension: two are delivered, and the next user's mail at once."""
    known = destinations()
    jobs = [Job(None, (), known.site("local", "a.test", f"alice+{n}@a.test")) for n in range(300)]  # type: ignore[arg-type]
    transport = jobs[0].site.transport
    for job in jobs:
        transport.enqueue(job)
    bob = Job(None, (), known.site("local", "a.test", "bob@a.test"))  # type: ignore[arg-type]
    transport.enqueue(bob)
    started = []
    while (job := transport.take()) is not None:
        started.append(job)
    assert started == [jobs[0], bob, jobs[1]]


def test_recipients_of_a_host_are_no_destinations() -> None:
    known = destinations(recipient_limit=50)
    assert known.site("smtp", "Far.test", "a@far.test") is known.site("smtp", "far.test", "b@far.test")
