"""Parameters of the filter's rules and of the scanners that run them: which rule files there are, what one message may cost."""

from gatepost.config.parameters.row import DONE, LIST, SIZE, TIME, P, Parameter

# fmt: off
ROWS: tuple[Parameter, ...] = (
    P("filter_rules_directories", LIST, "",
      "Folders of rule files in SpamAssassin's language, in the order in which they are read. Empty: those that SpamAssassin reads,"
      " /etc/spamassassin after what sa-update fetched or what came with it; without it our own rules.", DONE, since="gatepost"),
    P("filter_scan_memory_limit", SIZE, "1073741824",
      "Octets of data that a scanner may have; 0: any number.", DONE, since="gatepost", minimum=0),
    P("filter_scan_pattern_time_limit", TIME, "5s",
      "Processor time that all patterns of rules may take for one message; what is left then is not answered, and told.", DONE,
      since="gatepost", minimum=1),
    P("filter_scan_size_limit", SIZE, "524288",
      "Octets of a message that rules, Bayes and the learner see; 0: all of it.", DONE, since="gatepost", minimum=0),
    P("filter_scan_time_limit", TIME, "30s",
      "Processor time that a scanner may take for one message; it is ended then, and filter_default_action decides.", DONE,
      since="gatepost", minimum=1),
    P("filter_scanner_max_age", TIME, "10m",
      "How long a scanner lives; the one that takes its place sees rule files that have changed.", DONE, since="gatepost",
      minimum=1),
)
