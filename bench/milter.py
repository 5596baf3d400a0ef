"""What a milter costs that does nothing: CPU a message with it and without, here and in Debian's Postfix, as bench.relay measures.

    python -m bench.milter [--messages N] [--size OCTETS] [--sessions N] [--rounds N]      (as root)

`all`: a filter that answers every step; `end`: one that wants to see nothing but the end of each message.
"""

import argparse
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

from bench.relay import Figures, Load, medians, row, run
from bench.servers import Server, gatepost, postfix
from tests.support.milters import ScriptedFilter

_NOTHING_BUT_THE_END = 0x37F
"""Steps that a filter does not want (SMFIP_NO*)."""

Start = Callable[[int], AbstractContextManager[Server]]


def main() -> None:
    parser = argparse.ArgumentParser(description="What a milter costs that does nothing.")
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--size", type=int, default=5000)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    filters = {"none": "", "all": ScriptedFilter().name, "end": ScriptedFilter(steps=_NOTHING_BUT_THE_END).name}
    servers: dict[str, Callable[..., AbstractContextManager[Server]]] = {"gatepost": gatepost, "postfix": postfix}
    load = Load(asked.messages, asked.size, asked.sessions, False)
    print(f"{'octets':>9}{'sessions':>9}  {'conn':<6} {'':<9}{'accepted/s':>12}{'relayed/s':>12}{'CPU ms/msg':>12}{'PSS MiB':>12}")
    runs: dict[tuple[str, str], list[Figures]] = {}
    for _ in range(asked.rounds):
        for server, start in servers.items():
            for kind, name in filters.items():
                start_one: Start = partial(start, more=f"smtpd_milters = {name}\n")
                runs.setdefault((server, kind), []).append(run(start_one, load))
    for (server, kind), figures in runs.items():
        print(row(f"{server} {kind}", load, medians(figures), 2), flush=True)


if __name__ == "__main__":
    main()
