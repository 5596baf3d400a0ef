"""What notes say: those in words, and those of fields."""

from collections.abc import Iterable
from typing import Any

from gatepost.events.maillog import severity, words
from gatepost.events.notes import NoteOfFields
from gatepost.events.records import Event, Note


def is_note(event: Event) -> bool:
    return isinstance(event, Note | NoteOfFields)


def text_of(note: Any) -> str:
    """What a note says, without severity and queue id."""
    told = words(note)
    for before in (severity(note), getattr(note, "queue_id", "")):
        told = told.removeprefix(f"{before}: ") if before else told
    return told


def texts(events: Iterable[Event]) -> list[str]:
    """What the notes among `events` say."""
    return [text_of(event) for event in events if is_note(event)]
