"""Parameters of mail filters of Sendmail's protocol (milter)."""

from gatepost.config.parameters.row import CHOICE, DONE, MAPS, STRING, TIME, P, Parameter

# fmt: off
ROWS: tuple[Parameter, ...] = (
    P("milter_command_timeout", TIME, "30s", "Time limit for a milter's answer to an SMTP command.", DONE, minimum=1),
    P("milter_connect_macros", STRING, "j {daemon_name} {daemon_addr} v _", "Macros sent with the connection.", DONE),
    P("milter_connect_timeout", TIME, "30s",
      "Time limit for reaching a milter and for agreeing on options with it.", DONE, minimum=1),
    P("milter_content_timeout", TIME, "300s", "Time limit for a milter's answer to the content.", DONE, minimum=1),
    P("milter_data_macros", STRING, "i", "Macros sent with DATA.", DONE),
    P("milter_default_action", CHOICE, "tempfail", "What to do when a milter cannot be asked.", DONE,
      words=("accept", "reject", "tempfail", "quarantine", "shutdown")),
    P("milter_end_of_data_macros", STRING, "i", "Macros sent at the end of data.", DONE),
    P("milter_end_of_header_macros", STRING, "i", "Macros sent at the end of the headers.", DONE),
    P("milter_header_checks", MAPS, "", "Pattern tables for headers that milters add.", DONE),
    P("milter_helo_macros", STRING, "{tls_version} {cipher} {cipher_bits} {cert_subject} {cert_issuer}",
      "Macros sent with HELO or EHLO.", DONE),
    P("milter_macro_daemon_name", STRING, "$myhostname", "Value of the {daemon_name} macro.", DONE),
    P("milter_macro_defaults", STRING, "", "Values of macros that have none.", DONE),
    P("milter_macro_v", STRING, "$mail_name $mail_version", "Value of the {v} macro.", DONE),
    P("milter_mail_macros", STRING, "i {auth_type} {auth_authen} {auth_author} {mail_addr} {mail_host} {mail_mailer}",
      "Macros sent with MAIL FROM.", DONE),
    P("milter_protocol", STRING, "6", "Version of the milter protocol, with options.", DONE),
    P("milter_rcpt_macros", STRING, "i {rcpt_addr} {rcpt_host} {rcpt_mailer}", "Macros sent with RCPT TO.", DONE),
    P("milter_unknown_command_macros", STRING, "", "Macros sent with unknown commands.", DONE),
    P("non_smtpd_milters", STRING, "", "Milters for mail that does not come by SMTP.", DONE),
    P("smtpd_milter_maps", MAPS, "", "Tables by client address: milters for that client.", DONE),
    P("smtpd_milters", STRING, "", "Milters for mail that comes by SMTP.", DONE),
)
