"""Parameters of the brake for stolen passwords: what a login may send in an hour and a day (docs/stolen-password.md)."""

from gatepost.config.parameters.row import CHOICE, DONE, INTEGER, LIST, TIME, WORDS, P, Parameter


def _limit(name: str, what: str) -> Parameter:
    return P(f"submission_{name}_limit", INTEGER, "0", f"{what}; 0 for no limit.", DONE, since="gatepost", minimum=0)


# fmt: off
ROWS: tuple[Parameter, ...] = (
    _limit("bounce_day", "Recipients of a login that may come back as undeliverable in a day"),
    _limit("bounce_hour", "Recipients of a login that may come back as undeliverable in an hour"),
    P("submission_default_action", CHOICE, "accept",
      "What is done with a message where the state store cannot answer: `accept`, `hold` or `tempfail`; the log has it.", DONE,
      since="gatepost", words=("accept", "hold", "tempfail")),
    P("submission_limit_action", CHOICE, "hold",
      "What is done beyond a limit: `hold` all mail of the login until an administrator says otherwise (`gatepost submission`), or"
      " only `warn` in the log.", DONE, since="gatepost", words=("hold", "warn")),
    P("submission_limit_exceptions", LIST, "", "Logins that are not counted, nor held.", DONE, since="gatepost"),
    P("submission_max_age", TIME, "35d",
      "How long the recipients and networks of a login are remembered after they were last used.", DONE, unit="d",
      since="gatepost", minimum=86400),
    _limit("message_day", "Messages that a login may send in a day"),
    _limit("message_hour", "Messages that a login may send in an hour"),
    _limit("new_network_day", "Networks (/24, /64) not seen before from which a login may send in a day"),
    _limit("new_network_hour", "Networks (/24, /64) not seen before from which a login may send in an hour"),
    _limit("new_recipient_day", "Recipients to whom a login did not write before that it may have in a day"),
    _limit("new_recipient_hour", "Recipients to whom a login did not write before that it may have in an hour"),
    P("submission_notify", WORDS, "user, postmaster",
      "Who is told by mail when a login is blocked: the `user`, where the login is an address, and the `postmaster`"
      " (error_notice_recipient).", DONE, since="gatepost", words=("user", "postmaster")),
    _limit("recipient_day", "Recipients that a login may have in a day"),
    _limit("recipient_hour", "Recipients that a login may have in an hour"),
)
