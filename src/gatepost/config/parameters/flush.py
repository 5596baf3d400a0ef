"""Parameters of sites whose mail may be asked for (flush(8), ETRN)."""

from gatepost.config.parameters.row import DONE, LIST, NO_MEANING, TIME, P, Parameter

# fmt: off
ROWS: tuple[Parameter, ...] = (
    P("fast_flush_domains", LIST, "$relay_domains", 'Destinations for which ETRN and "sendmail -qR" may ask.', DONE),
    P("fast_flush_purge_time", TIME, "7d",
      "Age at which an empty list of a destination's mail is removed (unit: days).",
      NO_MEANING, "The queue is indexed by destination; there are no such lists.", unit="d", minimum=1),
    P("fast_flush_refresh_time", TIME, "12h",
      "Age at which a list of a destination's mail is read anew (unit: hours).",
      NO_MEANING, "The queue is indexed by destination; there are no such lists.", unit="h", minimum=1),
)
