"""Parameters of local(8), and what it needs of the rest of the house."""

from collections.abc import Awaitable, Callable, Mapping

from msgspec import Struct

from gatepost.deliver.privileged import AgentClient
from gatepost.events.records import Clock, Emit
from gatepost.lookup.blocking import BlockingCalls
from gatepost.lookup.registry import Tables
from gatepost.mail.delivery import Agent
from gatepost.mail.submission import Submit
from gatepost.routing.port import Route


class LocalSettings(Struct, frozen=True):
    """Parameters of local(8); RAW ones hold `$name` references that are expanded for each recipient."""

    alias_maps: str
    allow_mail_to_commands: str
    allow_mail_to_files: str
    command_execution_directory: str
    command_expansion_filter: str
    command_time_limit: int
    default_privs: str
    deliver_lock_attempts: int
    deliver_lock_delay: int
    execution_directory_expansion_filter: str
    expand_owner_alias: bool
    fallback_transport: str
    fallback_transport_maps: str
    forward_expansion_filter: str
    forward_path: str
    frozen_delivered_to: bool
    home_mailbox: str
    local_command_shell: str
    luser_relay: str
    mail_spool_directory: str
    mailbox_command: str
    mailbox_command_maps: str
    mailbox_delivery_lock: str
    mailbox_size_limit: int
    mailbox_transport: str
    mailbox_transport_maps: str
    owner_request_special: bool
    prepend_delivered_header: str
    propagate_unmatched_extensions: str
    queue_directory: str
    recipient_delimiter: str
    require_home_directory: bool
    reset_owner_alias: bool
    stale_lock_time: int
    strict_mailbox_ownership: bool


class House(Struct, frozen=True):
    """What local(8) asks others for. `resolve` and `rewrite`: routing; `submit`: the way in for forwarded mail; `agents`: the agent
    of another transport by its name, raises LookupError; `program`: that transport's program; `environment`: what
    export_environment lets commands have; `files`: who looks at folders that may hang."""

    tables: Tables
    agent: AgentClient
    resolve: Callable[[str], Awaitable[Route]]
    rewrite: Callable[[str], Awaitable[str]]
    submit: Submit
    agents: Callable[[str], Awaitable[Agent]]
    program: Callable[[str], str]
    environment: Mapping[str, str]
    files: BlockingCalls
    clock: Clock
    emit: Emit
