"""Parameters of log-ins (SASL) that hold for server and client alike."""

from gatepost.config.parameters.row import BOOLEAN, CHOICE, DONE, HOSTS, INTEGER, STRING, TIME, WORDS, P, Parameter

SASL_SECURITY_OPTIONS = ("noplaintext", "noactive", "nodictionary", "noanonymous", "forward_secrecy", "mutual_auth")

# fmt: off
ROWS: tuple[Parameter, ...] = (
    P("broken_sasl_auth_clients", BOOLEAN, "no", "Offer AUTH in the older form as well, for old clients.", DONE),
    P("cyrus_sasl_config_path", STRING, "", "Folders of the file that smtpd_sasl_path names, for Cyrus.", DONE),
    P("send_cyrus_sasl_authzid", BOOLEAN, "no", "Send the authorisation id as well when logging in.", DONE),
    P("smtpd_auth_timeout", TIME, "30s",
      "How long whoever knows the users may take to answer; then a login fails for now.", DONE, since="Gatepost"),
    P("smtpd_sasl_auth_enable", BOOLEAN, "no", "Offer AUTH to clients.", DONE),
    P("smtpd_sasl_authenticated_header", BOOLEAN, "no", "Note the login name in the Received header.", DONE),
    P("smtpd_sasl_exceptions_networks", HOSTS, "", "Clients that are not offered AUTH.", DONE),
    P("smtpd_sasl_local_domain", STRING, "", "Realm of login names that have none (cyrus).", DONE),
    P("smtpd_sasl_mechanism_filter", STRING, "!external, static:rest", "Mechanisms that are offered, of those in use.", DONE),
    P("smtpd_sasl_path", STRING, "smtpd",
      "Dovecot's authentication socket, below queue_directory, or inet:HOST:PORT; cyrus: its file, less .conf.", DONE),
    P("smtpd_sasl_response_limit", INTEGER, "12288",
      "Longest client response in an AUTH exchange, in bytes.", DONE, minimum=12288),
    P("smtpd_sasl_security_options", WORDS, "noanonymous", "What a login mechanism must, or must not, be.", DONE,
      words=SASL_SECURITY_OPTIONS),
    P("smtpd_sasl_service", STRING, "smtp", "Service that logins are for: of PAM, or as Dovecot is told.", DONE),
    P("smtpd_sasl_tls_security_options", WORDS, "$smtpd_sasl_security_options",
      "What a login mechanism must, or must not, be under TLS.", DONE, words=SASL_SECURITY_OPTIONS),
    P("smtpd_sasl_type", CHOICE, "cyrus", 'Who runs logins: "cyrus" or "dovecot".', DONE, words=("cyrus", "dovecot")),
)
