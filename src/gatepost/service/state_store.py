"""The shared state that lasts (state.port), as the configuration wants it: `state_store`, below `data_directory`."""

import time
from collections.abc import Callable
from pathlib import Path

from gatepost.config.configuration import Configuration, ConfigurationError
from gatepost.service.settings import WorkerSettings
from gatepost.state.sqlite_store import SqliteStateStore
from gatepost.state.state_file import FOLDER

_KINDS = ("sqlite",)


def folder(data_directory: str) -> Path:
    """Where it lies."""
    return Path(data_directory) / FOLDER


def open_state(configuration: Configuration, settings: WorkerSettings, warn: Callable[[str], object]) -> SqliteStateStore:
    """The store of a worker, inside its event loop; no file is touched before it is used. Raises ConfigurationError."""
    if settings.state_store not in _KINDS:
        told = f"unknown kind of store: {settings.state_store}"
        raise ConfigurationError([configuration.fault("state_store", told, f"specify one of: {', '.join(_KINDS)}")])
    return SqliteStateStore(folder(settings.data_directory), clock=time.time, warn=warn, size_limit=settings.state_store_size_limit)
