"""One call of `gatepost greylist`: its words, the settings, and what it chooses of the store."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import BinaryIO

from gatepost.cli.command import Command, Fatal
from gatepost.cli.state_call import StateCall
from gatepost.policy.greylist.attempt import client_address, client_key, network_of
from gatepost.policy.greylist.postgrey import CLIENT_FILE, TRIPLET_FILE
from gatepost.policy.greylist.records import CLIENTS, TRIPLETS, Client, Triplet, decode
from gatepost.policy.greylist.settings import GreylistSettings


class Call(StateCall):
    """One call of the command."""

    def __init__(self, command: Command, words: list[str], days: float) -> None:
        super().__init__(command)
        self.settings = command.configuration.view(GreylistSettings)
        self.words = words
        self.days = days
        self.files: list[tuple[str, BinaryIO]] = []

    def open_files(self) -> None:
        """Raises Fatal."""
        for word in self.words:
            path = Path(word)
            for file in [path / name for name in (TRIPLET_FILE, CLIENT_FILE)] if path.is_dir() else [path]:
                try:
                    self.files.append((str(file), file.open("rb")))
                except OSError as error:
                    raise Fatal(f"open {file}: {error.strerror}", logged=False) from None

    async def chosen(self) -> AsyncIterator[tuple[bytes, Triplet | Client]]:
        """(key, record) of all that have the words, the clients first."""
        matches = _matcher(self.words, self.settings)
        async for key, entry in self.state.iterate(CLIENTS):
            if matches(key) and (client := decode(entry, Client)) is not None:
                yield key, client
        async for key, entry in self.state.iterate(TRIPLETS):
            if matches(key) and (triplet := decode(entry, Triplet)) is not None:
                yield key, triplet


def _matcher(words: list[str], settings: GreylistSettings) -> Callable[[bytes], bool]:
    """Whether a key has all the words."""
    choices = []
    for word in words:
        names = {word.lower().encode("utf-8", "surrogateescape")}
        address = client_address(word)
        if address is not None:
            names |= {client_key(address), network_of(address, settings).partition("/")[0].encode()}
        choices.append(names)

    def matches(key: bytes) -> bool:
        parts = set(key.split(b"/"))
        parts |= {key, *(part.rpartition(b"@")[2] for part in parts)}
        return all(names & parts for names in choices)

    return matches
