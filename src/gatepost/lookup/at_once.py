"""A look-up where nothing can wait: in the midst of a TLS handshake, or of a reply that is being read."""

from gatepost.lookup.port import LookupFailure
from gatepost.lookup.registry import Maps


def find_at_once(maps: Maps, key: str) -> str | None:
    """The first answer for `key`. Raises LookupFailure, also where a table would have to wait for its answer."""
    asking = maps.find(key)
    try:
        asking.send(None)
    except StopIteration as answered:
        return None if answered.value is None else str(answered.value)
    except RuntimeError:
        pass  # it looked for a task, or an event loop, to wait in, and there is none here
    asking.close()
    raise LookupFailure(maps.title, "a table that has to wait for its answer cannot be used here")
