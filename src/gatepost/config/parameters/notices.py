"""Parameters of notices of failure, delay and success (bounce(8))."""

from gatepost.config.parameters.row import BOOLEAN, DONE, FILE, INTEGER, STRING, WORDS, P, Parameter

# fmt: off
ROWS: tuple[Parameter, ...] = (
    P("2bounce_notice_recipient", STRING, "postmaster", "Who gets notices that could not be returned to the sender.", DONE),
    P("bounce_notice_recipient", STRING, "postmaster", "Who gets copies of bounces for the postmaster.", DONE),
    P("bounce_size_limit", INTEGER, "50000", "Bytes of the original that a notice includes.", DONE, minimum=1),
    P("bounce_template_file", FILE, "", "File of templates for notices.", DONE),
    P("default_verp_delimiters", STRING, "+=", "The two characters that enclose the recipient in a VERP sender.", DONE),
    P("delay_notice_recipient", STRING, "postmaster", "Who gets copies of delay warnings for the postmaster.", DONE),
    P("disable_verp_bounces", BOOLEAN, "no", "Send one notice for VERP mail instead of one for each recipient.", DONE),
    P("double_bounce_sender", STRING, "double-bounce",
      "Sender of mail that must never be returned, such as notices to the postmaster.", DONE),
    P("error_notice_recipient", STRING, "postmaster", "Who gets notices of SMTP errors and of software trouble.", DONE),
    P("internal_mail_filter_classes", WORDS, "",
      'Kinds of own mail, "bounce" or "notify", that the content filters see as well.', DONE,
      words=("bounce", "notify")),
    P("notify_classes", WORDS, "resource, software", "Kinds of trouble that the postmaster is told of.", DONE,
      words=("2bounce", "bounce", "data", "delay", "policy", "protocol", "resource", "software")),
    P("requiretls_redact_dsn", BOOLEAN, "yes",
      "Leave out the content of mail sent with REQUIRETLS from notices, which then need no REQUIRETLS.", DONE, since="3.11"),
    P("verp_delimiter_filter", STRING, "-=+", "Characters allowed as VERP delimiters.", DONE),
)
