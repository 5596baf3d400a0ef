"""Parameters of log-ins (SASL) that hold for server and client alike."""

from gatepost.config.parameters.row import BOOLEAN, DONE, INTEGER, NO_MEANING, NOT_YET, STRING, P, Parameter

# fmt: off
ROWS: tuple[Parameter, ...] = (
    P("broken_sasl_auth_clients", BOOLEAN, "no", "Offer AUTH in the older form as well, for old clients.", NOT_YET),
    P("cyrus_sasl_config_path", STRING, "",
      "Where Cyrus SASL looks for its configuration.", NO_MEANING, "Logins do not go through the Cyrus library."),
    P("send_cyrus_sasl_authzid", BOOLEAN, "no", "Send the authorisation id as well when logging in.", NOT_YET),
    P("smtpd_sasl_auth_enable", BOOLEAN, "no", "Offer AUTH to clients.", NOT_YET),
    P("smtpd_sasl_authenticated_header", BOOLEAN, "no", "Note the login name in the Received header.", NOT_YET),
    P("smtpd_sasl_exceptions_networks", STRING, "", "Clients that are not offered AUTH.", NOT_YET),
    P("smtpd_sasl_local_domain", STRING, "", "Realm of login names.", NOT_YET),
    P("smtpd_sasl_mechanism_filter", STRING, "!external, static:rest", "Mechanisms that may be offered.", NOT_YET),
    P("smtpd_sasl_path", STRING, "smtpd",
      "Implementation detail handed to the SASL plug-in, such as Dovecot's socket.", NOT_YET),
    P("smtpd_sasl_response_limit", INTEGER, "12288",
      "Longest client response in an AUTH exchange, in bytes.", NOT_YET, minimum=12288),
    P("smtpd_sasl_security_options", STRING, "noanonymous", "What a login mechanism must, or must not, be.", NOT_YET),
    P("smtpd_sasl_service", STRING, "smtp", "Service name given to the SASL plug-in, and to PAM.", DONE),
    P("smtpd_sasl_tls_security_options", STRING, "$smtpd_sasl_security_options",
      "What a login mechanism must, or must not, be under TLS.", NOT_YET),
    P("smtpd_sasl_type", STRING, "cyrus", 'SASL plug-in to use: "cyrus" or "dovecot".', NOT_YET),
)
