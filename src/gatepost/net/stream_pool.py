"""Connections that are kept for the next question, by the rules of Reuse. The latest used is the first to be used again, so that
surplus ones run out of time."""

from collections.abc import Callable

from gatepost.net.stream import Stream
from gatepost.net.stream_port import Reuse

_SWEEP = 64
"""Kept connections, closed ones among them, from which on the closed ones are looked for."""


class StreamPool:
    """Idle connections to one server. `clock`: the one that `Stream.opened` was read from."""

    def __init__(self, reuse: Reuse, clock: Callable[[], float]) -> None:
        self._reuse = reuse
        self._clock = clock
        self._idle: list[Stream] = []

    def take(self) -> Stream | None:
        """A connection that seems good."""
        while self._idle:
            stream = self._idle.pop()
            if self._fit(stream):
                return stream
            stream.close()
        return None

    def give(self, stream: Stream) -> None:
        """Keep a connection on which nothing is under way, or close it."""
        if not self._reuse.idle or not self._fit(stream):
            stream.close()
            return
        if len(self._idle) >= _SWEEP:
            self._idle = [one for one in self._idle if not one.closed]
        stream.rest(min(self._reuse.idle, self._reuse.age - (self._clock() - stream.opened)))
        self._idle.append(stream)

    def _fit(self, stream: Stream) -> bool:
        reuse = self._reuse
        used_up = reuse.uses and stream.uses >= reuse.uses
        return not stream.closed and not used_up and self._clock() - stream.opened < reuse.age

    def close(self) -> None:
        """Close all."""
        for stream in self._idle:
            stream.close()
        self._idle.clear()
