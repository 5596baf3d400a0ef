"""Parameters of who knows the users: back ends of authentication, and limits of guessing."""

from gatepost.config.parameters.row import DONE, STRING, P, Parameter

# fmt: off
ROWS: tuple[Parameter, ...] = (
    P("smtpd_auth_backends", STRING, "",
      "Who is asked whether a password is right, in order: saslauthd, pam, ldap:NAME, dovecot, file:PATH, sql:TYPE:NAME. Empty:"
      " smtpd_sasl_type says it.", DONE, since="gatepost"),
)
