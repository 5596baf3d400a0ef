"""Parameters of the rules that ask the DNS: lists of relays, of hosts in URIs and of digests."""

from gatepost.config.parameters.row import BOOLEAN, DONE, INTEGER, TIME, P, Parameter

# fmt: off
ROWS: tuple[Parameter, ...] = (
    P("filter_dns_limit", INTEGER, "300",
      "How many names one message may make the filter ask the DNS for; what follows from answers is bounded by four times as many.",
      DONE, since="gatepost", minimum=1, maximum=10_000),
    P("filter_dns_lookups", BOOLEAN, "yes",
      "Ask the DNS what rules of the filter want to know, such as whether a client is on a list.", DONE, since="gatepost"),
    P("filter_dns_time_limit", TIME, "15s",
      "How long the answers to all names of one message are waited for; rbl_timeout of the rule files may say less.", DONE,
      since="gatepost", minimum=1),
)
