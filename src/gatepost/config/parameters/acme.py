"""Parameters of ACME (RFC 8555): certificates that an authority issues and renews by itself. How to: docs/acme.md."""

from gatepost.config.parameters.row import CHOICE, DONE, FILE, LIST, STRING, P, Parameter

# fmt: off
ROWS: tuple[Parameter, ...] = (
    P("acme_challenge", CHOICE, "http-01",
      "How the authority sees that a domain is ours: http-01 (it asks port 80) or tls-alpn-01 (it asks port 443).", DONE,
      since="gatepost", words=("http-01", "tls-alpn-01")),
    P("acme_contact", LIST, "",
      "Mail addresses under which the authority finds whoever is responsible; given when the account is made.", DONE,
      since="gatepost"),
    P("acme_directory_ca_file", FILE, "",
      "File of the authorities that may vouch for the directory's own host, instead of the system's.", DONE, since="gatepost"),
    P("acme_directory_url", STRING, "",
      "The directory of the authority (https); empty: no ACME. Who sets it agrees to the authority's terms of service.", DONE,
      since="gatepost"),
    P("acme_domains", LIST, "$myhostname", "The domains of the certificate.", DONE, since="gatepost"),
    P("acme_eab_key_file", FILE, "",
      "File of the key (base64url) by which an authority knows its customers' new accounts (external account binding).", DONE,
      since="gatepost"),
    P("acme_eab_key_id", STRING, "", "The name of that key.", DONE, since="gatepost"),
    P("acme_http_listen", STRING, "80",
      "Where http-01 is answered while a challenge is open: port, or host:port as in master.cf.", DONE, since="gatepost"),
    P("acme_key_type", CHOICE, "ecdsa", "The kind of the certificate's key: ecdsa (P-256) or rsa (2048 bits).", DONE,
      since="gatepost", words=("ecdsa", "rsa")),
    P("acme_tls_alpn_listen", STRING, "443",
      "Where tls-alpn-01 is answered while a challenge is open: port, or host:port as in master.cf.", DONE, since="gatepost"),
)
