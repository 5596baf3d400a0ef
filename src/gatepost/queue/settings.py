"""The queue's parameters; field names are parameter names. Times in seconds."""

from collections.abc import Callable

from msgspec import Struct


class QueueSettings(Struct, frozen=True):
    """qmgr(8)'s parameters, and our own `queue_*`."""

    queue_directory: str = "/var/spool/postfix"
    queue_run_delay: float = 300
    minimal_backoff_time: float = 300
    maximal_backoff_time: float = 4000
    maximal_queue_lifetime: float = 432_000
    bounce_queue_lifetime: float = 432_000
    delay_warning_time: float = 0
    transport_retry_time: float = 60
    qmgr_message_active_limit: int = 20_000
    qmgr_message_recipient_limit: int = 20_000
    defer_transports: str = ""
    soft_bounce: bool = False
    queue_minfree: int = 0
    queue_ledger_lifetime: float = 604_800


class TransportLimits(Struct, frozen=True):
    """What `transport_*` parameters say of one transport, or their `default_*`. 0 is no limit, as in Postfix.
    `process_limit` is master.cf's maxproc. A feedback is `1`, `1/concurrency` or `1/sqrt_concurrency`, or such with
    another number above the line (postconf(5), default_destination_concurrency_positive_feedback)."""

    initial_destination_concurrency: int = 5
    destination_concurrency_limit: int = 20
    destination_concurrency_positive_feedback: str = "1"
    destination_concurrency_negative_feedback: str = "1"
    destination_concurrency_failed_cohort_limit: int = 1
    destination_recipient_limit: int = 50
    destination_rate_delay: float = 0
    process_limit: int = 100


Limits = Callable[[str], TransportLimits]
