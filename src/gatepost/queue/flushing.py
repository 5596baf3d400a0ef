"""Having queued mail tried now: all of it, one message, or that of one site (postqueue(1) -f, -i, -s)."""

from pathlib import Path

from gatepost.mail.queue_id import parse
from gatepost.queue import actions


def flush_message(queue_directory: Path, name: str) -> None:
    """One message; a name that no message can have names none. Raises sqlite3.Error."""
    try:
        identity = parse(name)
    except ValueError:
        return
    actions.by_ids(queue_directory, actions.FLUSH, [identity])
    actions.signal_flush(queue_directory)


def flush_site(queue_directory: Path, site: str) -> None:
    """All mail for a site. Raises sqlite3.Error."""
    actions.by_selection(queue_directory, actions.FLUSH, actions.Selection(queues=actions.FLUSH.only, site=site))
    actions.signal_flush(queue_directory)
