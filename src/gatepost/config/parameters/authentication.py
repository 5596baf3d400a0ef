"""Parameters of who knows the users: back ends of authentication, what is remembered of their answers, and limits of guessing."""

from gatepost.config.parameters.row import DONE, INTEGER, STRING, TIME, P, Parameter

# fmt: off
ROWS: tuple[Parameter, ...] = (
    P("smtpd_auth_backends", STRING, "",
      "Who is asked whether a password, or a token, is right, in order: saslauthd, pam, ldap:NAME, dovecot, file:PATH, sql:PATH,"
      " oauth:PATH. Empty: smtpd_sasl_type says it.", DONE, since="gatepost"),
    P("smtpd_auth_cache_negative_time", TIME, "60s", "How long a wrong password is remembered, in memory; 0: not.", DONE,
      since="gatepost", minimum=0),
    P("smtpd_auth_cache_size", INTEGER, "10000", "How many right and wrong passwords a service of a worker remembers.", DONE,
      since="gatepost", minimum=1),
    P("smtpd_auth_cache_time", TIME, "300s", "How long a right password is remembered, in memory; 0: not.", DONE,
      since="gatepost", minimum=0),
    P("smtpd_auth_client_guess_limit", INTEGER, "50",
      "How many wrong passwords may come from a network in smtpd_auth_guess_time_unit, until its log-ins are put off; 0: any"
      " number. Clients in smtpd_client_event_limit_exceptions, and users who have logged in from there, have none.", DONE,
      since="gatepost", minimum=0),
    P("smtpd_auth_guess_time_unit", TIME, "1h", "How long a wrong password counts.", DONE, since="gatepost", minimum=1),
    P("smtpd_auth_hash_limit", INTEGER, "2", "How many password hashes a worker computes at one time.", DONE, since="gatepost",
      minimum=1, maximum=64),
    P("smtpd_auth_ipv4_prefix_length", INTEGER, "32", "Bits of the network for which wrong passwords are counted.", DONE,
      since="gatepost", minimum=0, maximum=32),
    P("smtpd_auth_ipv6_prefix_length", INTEGER, "64", "The same for IPv6.", DONE, since="gatepost", minimum=0, maximum=128),
    P("smtpd_auth_pam_process_limit", INTEGER, "10", "How many questions to PAM are under way at one time; a process each.", DONE,
      since="gatepost", minimum=1),
    P("smtpd_auth_refusal_delay", TIME, "1s", "How long a refusal takes at least, so that its time tells nothing of the user.",
      DONE, since="gatepost", minimum=0),
    P("smtpd_auth_user_guess_limit", INTEGER, "30",
      "How many wrong passwords of a user may come in smtpd_auth_guess_time_unit, until his log-ins are put off; 0: any number. In"
      " a network from which he has logged in, he has a count of his own.", DONE, since="gatepost", minimum=0),
)
