"""What is wrong with the restriction lists of a service, found by compiling them only: nothing is opened, nobody is asked."""

import asyncio
import time
from collections.abc import Mapping

from gatepost.lookup.fail import unavailable
from gatepost.lookup.port import Table
from gatepost.net.connect import SocketConnector
from gatepost.policy.compiler import Compiler, Complaint
from gatepost.policy.lists import GUARDS, RELAY, are_guarded, compile_lists
from gatepost.policy.settings import PolicySettings
from gatepost.policy.sources import Materials


def review(settings: PolicySettings, classes: Mapping[str, str], service: str) -> tuple[Complaint, ...]:
    """Everything that is wrong. `classes`: the definition of each of smtpd_restriction_classes; `service`: its name, for words."""
    compiler = Compiler(_dry(settings), classes)
    lists = compile_lists(compiler, settings)
    if are_guarded(lists):
        return tuple(compiler.faults)
    remedy = f"put one of these into {RELAY}, not after warn_if_reject: {', '.join(sorted(GUARDS))}"
    return (*compiler.faults, Complaint(RELAY, f"service {service} would relay for everybody", remedy))


class _Unopened:
    """Tables that nobody will ask; whether they are there is a question of its own (config/check.py)."""

    def open(self, spec: str) -> Table:
        return unavailable(spec, "it is not opened")


def _dry(settings: PolicySettings) -> Materials:
    return Materials(
        settings=settings,
        tables=_Unopened(),
        connector=SocketConnector(),
        clock=time.time,
        sleep=asyncio.sleep,
        emit=lambda event: None,
    )
