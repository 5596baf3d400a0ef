"""Parameters of the commands of users and administrators (sendmail(1), mailq(1), postsuper(1))."""

from gatepost.config.parameters.row import DONE, LIST, MAPS, STRING, P, Parameter

# fmt: off
ROWS: tuple[Parameter, ...] = (
    P("authorized_flush_users", LIST, "static:anyone", "Users that may flush the queue.", DONE),
    P("authorized_mailq_users", LIST, "static:anyone", "Users that may list the queue.", DONE),
    P("authorized_submit_users", LIST, "static:anyone", "Users that may submit mail with sendmail.", DONE),
    P("empty_address_local_login_sender_maps_lookup_key", STRING, "<>",
      "Key by which local_login_sender_maps are asked about the empty sender.", DONE),
    P("local_login_sender_maps", MAPS, "static:*", "Tables by login name: the sender addresses it may submit with.", DONE),
    P("sendmail_fix_line_endings", STRING, "always",
      'Which CRLF lines sendmail makes LF: "always", "strict" or "never".', DONE),
)
