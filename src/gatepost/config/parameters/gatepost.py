"""Parameters of Gatepost's own parameters."""

from gatepost.config.parameters.row import BOOLEAN, CHOICE, DONE, INTEGER, SIZE, STRING, TIME, P, Parameter

# fmt: off
ROWS: tuple[Parameter, ...] = (
    P("command_no_new_privileges", BOOLEAN, "no",
      "Let commands of users and of pipe services gain no privileges by set-user-id programs (prctl(2), PR_SET_NO_NEW_PRIVS).",
      DONE, since="gatepost"),
    P("gatepost_accept_missing", STRING, "",
      "Parameters, programs of master.cf and restrictions that are not there, and that mail may pass unseen all the same.",
      DONE, since="gatepost"),
    P("helper_answer_lifetime", TIME, "0s",
      "How long a worker remembers what the server of a lookup table has said, or that it has nothing, so that it is asked once"
      " about an address that comes often. What changes there counts after that time; 0 for at once.",
      DONE, since="gatepost", minimum=0, maximum=3600),
    P("helper_connection_limit", INTEGER, "100",
      "Most connections that a worker has at one time to one server that it asks (a policy server); one client has half of them at"
      " most.", DONE, since="gatepost", minimum=1),
    P("helper_failure_limit", INTEGER, "5",
      "After how many failures in a row a server that is asked (a policy server) counts as away, and its failure action is taken at"
      " once; 0 for never.", DONE, since="gatepost", minimum=0),
    P("helper_lookup_timeout", TIME, "10s",
      "Time limit of one question to the server of a lookup table of a type that has no such parameter of its own: mysql, pgsql,"
      " socketmap, sqlite, tcp.", DONE, since="gatepost", minimum=1),
    P("helper_probe_interval", TIME, "10s",
      "How often a server that counts as away is asked whether it is back.", DONE, since="gatepost", minimum=1),
    P("json_log_file", STRING, "",
      "File that gets every record of the log as JSON, one object a line, beside the mail log. Empty: none.",
      DONE, since="gatepost"),
    P("maillog_format", CHOICE, "postfix",
      "Form of the mail log: \"postfix\" (Postfix's lines) or \"json\" (one object a line).", DONE, since="gatepost",
      words=("postfix", "json")),
    P("nullmx_reject_code", INTEGER, "556",
      "Reply code when a sender's or recipient's domain says by a null MX that it takes no mail (RFC 7505).",
      DONE, since="gatepost"),
    P("queue_deliver", BOOLEAN, "yes",
      'Deliver queued mail; with "no", mail is accepted and kept in the queue, and nothing leaves it.', DONE, since="gatepost"),
    P("queue_ledger_lifetime", TIME, "5d",
      "How long the ledger remembers how each finished recipient ended (unit: days).",
      DONE, unit="d", since="gatepost", minimum=1),
    P("smtpd_binarymime_enable", BOOLEAN, "no", "Offer BINARYMIME to clients (RFC 3030).", DONE, since="gatepost"),
    P("smtpd_limits_enable", BOOLEAN, "no",
      "Tell clients the limits on recipients and messages in the EHLO reply (LIMITS, RFC 9422).", DONE, since="gatepost"),
    P("state_store", STRING, "sqlite",
      'What keeps the state that all workers share and that outlives a restart: "sqlite", files below data_directory.', DONE,
      since="gatepost"),
    P("state_store_size_limit", SIZE, "8589934592",
      "Size of the file of shared state, at most, in bytes; 0 for any. What goes beyond is not stored, and the log says so.", DONE,
      since="gatepost", minimum=0),
    P("tls_session_ticket_key_max_age", TIME, "1d",
      "How long keys of TLS session tickets are made of one secret; what it protects can be read for as long again.", DONE,
      since="gatepost", minimum=120, maximum=8640000),
    P("worker_memory_limit", SIZE, "2147483648",
      "How much memory for data a worker, or showq, may have, in bytes; 0 for as much as there is. What goes beyond fails,"
      " and is tried again.", DONE, since="gatepost", minimum=0),
    P("worker_processes", INTEGER, "0",
      "How many worker processes to run; 0 means one for each CPU core.", DONE, since="gatepost", minimum=0),
    P("worker_readable_directories", STRING,
      "/dev /etc /lib /lib64 /opt /proc /run /usr /var/db /var/lib/extrausers /var/lib/misc /var/lib/sss /var/run /nix/store",
      "What workers may read besides the folders of files that main.cf and master.cf name (worker_walls).", DONE,
      since="gatepost"),
    P("worker_walls", BOOLEAN, "yes",
      "Workers and showq read no files but those that they need, change none but the queue's, and run no programs (Landlock,"
      " seccomp; where the kernel has them).", DONE, since="gatepost"),
    P("worker_watchdog_time", TIME, "60s",
      "How long a worker's event loop may be stuck before the worker is replaced; 0 for as long as it likes. Time in which it"
      " is stopped or waits for a disk does not count.", DONE, since="gatepost", minimum=0),
)
