"""Parameters of our own reports about TLS (RFC 8460; docs/tls-to-others.md), which smtp_tlsrpt_enable turns on."""

from gatepost.config.parameters.row import DONE, STRING, P, Parameter

# fmt: off
ROWS: tuple[Parameter, ...] = (
    P("tlsrpt_contact", STRING, "$tlsrpt_sender", "Address for people with questions about our reports about TLS.", DONE,
      since="gatepost"),
    P("tlsrpt_organization_name", STRING, "$mydomain", "Who makes our reports about TLS, in words.", DONE, since="gatepost"),
    P("tlsrpt_sender", STRING, "postmaster@$mydomain",
      "Address that our reports about TLS come from; what cannot be delivered of them comes back to nobody.", DONE,
      since="gatepost"),
)
# fmt: on
