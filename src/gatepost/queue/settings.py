"""The queue's parameters; field names are parameter names. Times in seconds."""

from collections.abc import Callable

from msgspec import Struct


class QueueSettings(Struct, frozen=True):
    """qmgr(8)'s parameters."""

    queue_run_delay: float
    minimal_backoff_time: float
    maximal_backoff_time: float
    maximal_queue_lifetime: float
    bounce_queue_lifetime: float
    delay_warning_time: float
    confirm_delay_cleared: bool
    qmgr_message_active_limit: int
    qmgr_message_recipient_limit: int
    qmgr_clog_warn_time: float
    helpful_warnings: bool
    defer_transports: str
    double_bounce_sender: str
    default_filter_nexthop: str
    soft_bounce: bool
    recipient_delimiter: str
    owner_request_special: bool


class TransportLimits(Struct, frozen=True):
    """What `transport_*` parameters say of one transport, or their `default_*`. 0 is no limit, as in Postfix.
    `process_limit` is master.cf's maxproc. A feedback is `1`, `1/concurrency` or `1/sqrt_concurrency`, or such with
    another number above the line (postconf(5), default_destination_concurrency_positive_feedback)."""

    initial_destination_concurrency: int
    destination_concurrency_limit: int
    destination_concurrency_positive_feedback: str
    destination_concurrency_negative_feedback: str
    destination_concurrency_failed_cohort_limit: int
    destination_recipient_limit: int
    destination_rate_delay: float
    transport_rate_delay: float
    process_limit: int


Limits = Callable[[str], TransportLimits]
