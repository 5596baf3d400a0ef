"""Parameters of who knows the users: back ends of authentication, what is remembered of their answers, and limits of guessing."""

from gatepost.config.parameters.row import DONE, INTEGER, STRING, P, Parameter

# fmt: off
ROWS: tuple[Parameter, ...] = (
    P("smtpd_auth_backends", STRING, "",
      "Who is asked whether a password is right, in order: saslauthd, pam, ldap:NAME, dovecot, file:PATH, sql:PATH. Empty:"
      " smtpd_sasl_type says it.", DONE, since="gatepost"),
    P("smtpd_auth_pam_process_limit", INTEGER, "10", "How many questions to PAM are under way at one time; a process each.", DONE,
      since="gatepost", minimum=1),
)
