"""The order in which hosts of SRV records are tried (RFC 2782): by priority, and among equals by chance and weight."""

from collections.abc import Callable, Sequence

from gatepost.net.port import MX, SRV


def in_turn(records: Sequence[SRV], chance: Callable[[], float]) -> tuple[MX, ...]:
    """The hosts, each with a preference of its own. `chance`: a number from 0 up to, not including, 1."""
    left = sorted(records)
    found: list[MX] = []
    while left:
        equals = [record for record in left if record.priority == left[0].priority]
        chosen = _chosen(equals, chance())
        left.remove(chosen)
        found.append(MX(len(found), chosen.target, chosen.port))
    return tuple(found)


def _chosen(equals: Sequence[SRV], chance: float) -> SRV:
    """One of them. Those without weight are sorted first, and have a very small chance where others have some."""
    reached = chance * (sum(record.weight for record in equals) + 1)
    for record in equals:
        reached -= record.weight
        if reached < 1:
            return record
    return equals[-1]
