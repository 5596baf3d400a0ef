"""Parameters of the content filter's gate: who is filtered, from which points on, and what becomes of it (docs/filter.md).

Levels, destinies and lists of recipients mean what they mean to amavisd-new, whose names they have.
"""

from gatepost.config.parameters.row import BOOLEAN, CHOICE, DONE, LIST, MAPS, STRING, TIME, P, Parameter

_DESTINIES = ("pass", "reject", "bounce", "discard", "quarantine")


def _destiny(category: str, default: str, what: str) -> Parameter:
    doc = f"What becomes of {what}: `pass`, `reject`, `bounce`, `discard` or `quarantine`."
    return P(f"filter_{category}_destiny", CHOICE, default, doc, DONE, since="gatepost", words=_DESTINIES)


def _bypass(checks: str, what: str) -> Parameter:
    return P(f"filter_bypass_{checks}_checks_maps", MAPS, "", f"Recipients whose mail is not looked at for {what}.", DONE,
             since="gatepost")  # fmt: skip


def _lovers(category: str, what: str) -> Parameter:
    return P(f"filter_{category}_lovers_maps", MAPS, "", f"Recipients who get {what}, whatever its destiny is.", DONE,
             since="gatepost")  # fmt: skip


def _level(name: str, default: str, what: str) -> tuple[Parameter, Parameter]:
    level = f"filter_{name}_level"
    return (
        P(level, STRING, default, f"Points from which {what}.", DONE, since="gatepost"),
        P(f"{level}_maps", MAPS, "", f"By recipient, address or domain: {level}.", DONE, since="gatepost"),
    )


# fmt: off
ROWS: tuple[Parameter, ...] = tuple(sorted((
    _destiny("bad_header", "pass", "mail with broken headers"),
    _destiny("banned", "reject", "mail with files that are not wanted"),
    _destiny("spam", "reject", "mail of filter_kill_level points or more"),
    _destiny("unchecked", "pass", "mail that nobody can look into, such as encrypted archives"),
    _destiny("virus", "reject", "mail with a virus"),
    _bypass("banned", "files that are not wanted"),
    _bypass("header", "broken headers"),
    _bypass("spam", "spam"),
    _bypass("virus", "viruses"),
    _lovers("bad_header", "mail with broken headers"),
    _lovers("banned_files", "mail with files that are not wanted"),
    _lovers("spam", "spam"),
    _lovers("unchecked", "mail that nobody can look into"),
    _lovers("virus", "viruses"),
    *_level("kill", "6.31", "a message is spam and has filter_spam_destiny"),
    *_level("tag", "2.0", "a message says in X-Spam headers what it scored"),
    *_level("tag2", "6.31", "a message is called spam in its headers, and its subject has filter_subject_tag"),
    P("filter_before_queue", BOOLEAN, "no",
      "Look for spam, viruses and unwanted files in mail before it is accepted.", DONE, since="gatepost"),
    P("filter_default_action", CHOICE, "tempfail",
      "What becomes of a message that could not be looked at (a scanner is away, breaks, or is late): `tempfail` (451), `accept` it"
      " unfiltered, which the log has, or `quarantine` it.", DONE, since="gatepost",
      words=("tempfail", "accept", "quarantine")),
    P("filter_local_domains", LIST, "$mydestination, $virtual_alias_domains, $virtual_mailbox_domains, $relay_domains",
      "Domains whose recipients see in headers and subject what mail scored.", DONE, since="gatepost"),
    P("filter_scanned_header", STRING, "$mail_name at $mydomain",
      "What the header X-Virus-Scanned says; empty: there is none.", DONE, since="gatepost"),
    P("filter_spam_scanner", STRING, "internal",
      "Who looks for spam: `internal`, or a spamd, `spamd:HOST:PORT` or `spamd:/PATH`.", DONE, since="gatepost"),
    P("filter_subject_tag", STRING, "***SPAM***",
      "What is put before the subject of spam that passes; empty: nothing.", DONE, since="gatepost"),
    P("filter_time_limit", TIME, "60s",
      "Time limit for all that is asked about one message.", DONE, since="gatepost", minimum=1),
    P("filter_unchecked_subject_tag", STRING, "***UNCHECKED***",
      "What is put before the subject of mail that nobody could look into; empty: nothing.", DONE, since="gatepost"),
)))
