"""Members that are packed together: each is reached through those before it, which are unpacked once if read in order."""

from collections.abc import Callable, Iterator

from gatepost.filter.archives.formats.member import Pieces


class Solid:
    """`unpack`: the pieces that a folder of this number unpacks to, from its beginning."""

    def __init__(self, unpack: Callable[[int], Iterator[bytes]]) -> None:
        self._unpack = unpack
        self._folder = -1
        self._at = 0
        self._rest = b""
        self._source: Iterator[bytes] = iter(())

    def member(self, folder: int, begin: int, size: int) -> Pieces:
        """The pieces of a member by its place in a folder; empty ones for what has to be passed over."""

        def pieces() -> Iterator[bytes]:
            self._rewind(folder, begin)
            end = begin + size
            while self._at < end:
                piece = self._rest or next(self._source, None)
                if piece is None:
                    return
                before, piece = piece[: max(begin - self._at, 0)], piece[max(begin - self._at, 0) :]
                found = piece[: end - self._at - len(before)]
                self._rest = piece[len(found) :]
                self._at += len(before) + len(found)
                yield found

        return pieces

    def _rewind(self, folder: int, begin: int) -> None:
        if folder != self._folder or begin < self._at:
            self._folder, self._at, self._rest, self._source = folder, 0, b"", self._unpack(folder)
