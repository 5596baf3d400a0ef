"""What services of master.cf are given beside the materials: the way into the queue, and the way out of it."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from gatepost.admission.admission import CleanupAdmission
from gatepost.admission.gates import Gates
from gatepost.config.master import ServiceEntry
from gatepost.mail.delivery import Agent
from gatepost.mail.queue_id import QueueId
from gatepost.mail.submission import Submit
from gatepost.policy.verify.verifier import Verifier
from gatepost.queue.port import Notifier
from gatepost.tlsrpt.outcome import Observe


class OpenAdmission(Protocol):
    """The way into the queue of a service with parameters of its own. `gates`: of its sessions; None: its mail does not come by
    any. Raises ConfigurationError."""

    def __call__(self, overrides: Mapping[str, str], gates: Gates | None = None) -> CleanupAdmission: ...


class WayIn(Struct, frozen=True):
    """For services that take mail in.

    admission: the way into the queue.
    new_id: of a message that is going to come in.
    notices: tells a sender of mail that is refused later.
    notify: takes in notices to the postmaster about sessions.
    flush: has all mail tried now.
    folder: where files for the time being may lie.
    free_space: octets that are free where the queue lies.
    verifier: finds out whether addresses are good.
    """

    admission: OpenAdmission
    new_id: Callable[[], QueueId]
    notices: Notifier
    notify: Submit
    flush: Callable[[], Awaitable[None]]
    folder: Callable[[], Path]
    free_space: Callable[[], int]
    verifier: Verifier


class WayOut(Struct, frozen=True):
    """For services that deliver.

    staging: makes the name of a file for a large content.
    forward: takes in mail that goes on to others.
    agent: of another transport, by its name; raises LookupError where there is none.
    program: of another transport, by which its lines in the log go.
    observer: who hears how TLS came out in the sessions of a service, for reports; None where nobody does.
    """

    staging: Callable[[], Path]
    forward: Submit
    agent: Callable[[str], Awaitable[Agent]]
    program: Callable[[str], str]
    observer: Callable[[ServiceEntry], Observe | None]
