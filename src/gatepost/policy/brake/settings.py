"""The parameters of the brake; `service/` fills this from the configuration (no defaults here: config/parameters/submission.py)."""

from msgspec import Struct


class BrakeSettings(Struct, frozen=True, kw_only=True):
    """Field names are parameter names. Limits are numbers in an hour or a day, 0 for none; times in seconds."""

    submission_message_hour_limit: int
    submission_message_day_limit: int
    submission_recipient_hour_limit: int
    submission_recipient_day_limit: int
    submission_new_recipient_hour_limit: int
    submission_new_recipient_day_limit: int
    submission_bounce_hour_limit: int
    submission_bounce_day_limit: int
    submission_new_network_hour_limit: int
    submission_new_network_day_limit: int
    submission_limit_action: str
    submission_max_age: int
