"""What `gatepost tlsrpt` does."""

import json
import time
from collections.abc import Sequence
from datetime import date

from gatepost.cli.command import Command, Fatal
from gatepost.cli.state_call import StateCall
from gatepost.config.configuration import ConfigurationError
from gatepost.service.tlsrpt import submitter_of
from gatepost.tlsrpt.counts import DAY, DAYS, counts_of, prefix_of
from gatepost.tlsrpt.names import domain
from gatepost.tlsrpt.report import make
from gatepost.tlsrpt.reporter import ask_for

_EPOCH = date(1970, 1, 1)


class Call(StateCall):
    """One call of the command: of a day, None: today; of some domains, none: all."""

    def __init__(self, command: Command, day: date | None, domains: Sequence[str]) -> None:
        super().__init__(command)
        self._now = time.time()
        self._day = int(self._now // DAY) if day is None else (day - _EPOCH).days
        self._domains = frozenset(map(domain, domains))
        try:
            self._submitter = submitter_of(command.configuration)
        except ConfigurationError as error:
            raise Fatal(str(error), logged=False) from None

    async def show(self) -> int:
        """The reports, a list in JSON."""
        counts = [counts_of(entry) async for _, entry in self.state.iterate(DAYS, prefix_of(self._day))]
        wanted = [one for one in counts if one.domain and (not self._domains or one.domain in self._domains)]
        reports = [dict(make(one, self._day, self._submitter, self._now).body) for one in wanted]
        print(json.dumps(reports, indent=2))
        return 0 if reports else 1

    async def send(self) -> int:
        """Have a worker send them, which knows how."""
        await ask_for(self.state, self._day)
        print("the reports will be sent in a few seconds, and the log tells")
        return 0
