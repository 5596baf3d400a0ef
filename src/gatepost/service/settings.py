"""Parameters that the supervisor and the wiring itself read; every other room declares its own."""

from msgspec import Struct


class MasterSettings(Struct, frozen=True):
    """What master(8) needs."""

    queue_directory: str
    data_directory: str
    mail_owner: str
    setgid_group: str
    mail_version: str
    inet_interfaces: str
    inet_protocols: str
    worker_processes: int
