"""Where the content filter keeps what it makes for itself: compiled rules, and what it has learned."""

from pathlib import Path


def filter_folder(data_directory: str) -> Path:
    """The folder below `data_directory`."""
    return Path(data_directory) / "filter"
