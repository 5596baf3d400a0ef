"""Parameters of viruses, attachments and the quarantine."""

from gatepost.config.parameters.row import CHOICE, DONE, INTEGER, LIST, MAPS, SIZE, STRING, TIME, WORDS, P, Parameter

BANNED = (
    r"pcre:{"
    r"{/\.[^.\/\n]*\.(exe|vbs|pif|scr|bat|cmd|com|cpl|dll)\.?$$/ms double extension},"
    r" {/\{[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\}?$$/ms class id},"
    r" {/^application\/x-msdownload$$/ms program},"
    r" {/^application\/x-msdos-program$$/ms program},"
    r" {/^application\/hta$$/ms program},"
    r" {/.\.(exe|vbs|pif|scr|bat|cmd|com|cpl)$$/ms extension},"
    r" {/^\.exe-ms$$/ms program}"
    r"}"
)
"""What amavisd-new bans on Debian (conf.d/20-debian_defaults, $banned_filename_re)."""

# fmt: off
ROWS: tuple[Parameter, ...] = (
    P("filter_archive_depth_limit", INTEGER, "14",
      "How deeply archives in archives are looked into; what lies deeper counts as unchecked.", DONE, since="gatepost", minimum=0,
      maximum=50),
    P("filter_archive_member_limit", INTEGER, "1500",
      "How many parts of a message, and files in archives, are looked at; of a message with more, the rest counts as unchecked.",
      DONE, since="gatepost", minimum=1),
    P("filter_archive_ratio_limit", INTEGER, "500",
      "How many octets a message may unpack to for each of its own, beyond the first 100,000; the rest counts as unchecked.", DONE,
      since="gatepost", minimum=1),
    P("filter_archive_size_limit", SIZE, "104857600",
      "How many octets a message may unpack to; the rest counts as unchecked.", DONE, since="gatepost", minimum=0),
    P("filter_archive_time_limit", TIME, "10s",
      "How much processor time looking into the archives of a message may take; then the rest counts as unchecked.", DONE,
      since="gatepost", minimum=1),
    P("filter_banned_maps", MAPS, BANNED,
      "Tables of names and types of files that are not wanted (docs/filter-attachments.md). For each file they are asked with a"
      " line for each type and name of it and of what it is in, from the outermost archive on; pcre patterns need the flags ms."
      " What they answer is the reason; OK and DUNNO let the file pass.", DONE, since="gatepost"),
    P("filter_clamd_config_file", STRING, "/etc/clamav/clamd.conf",
      "The configuration file of the clamd that filter_supervise has run, or of the one on this machine, for `gatepost check`.",
      DONE, since="gatepost"),
    P("filter_freshclam_config_file", STRING, "/etc/clamav/freshclam.conf",
      "The configuration file of the freshclam that filter_supervise has run.", DONE, since="gatepost"),
    P("filter_quarantine_size_limit", SIZE, "1000000000",
      "How much disk space the quarantine may take, in octets; when it is full, what would be kept there is deferred.", DONE,
      since="gatepost", minimum=0),
    P("filter_quarantine_time", TIME, "30d", "How long mail is kept in the quarantine.", DONE, unit="d", since="gatepost",
      minimum=1),
    P("filter_supervise", WORDS, "",
      "Programs of ClamAV that Gatepost starts, each as the user that its configuration file names, watches, and starts again:"
      " clamd, freshclam. They end with the mail system; a reload leaves them running, unless their files have changed.", DONE,
      since="gatepost", words=("clamd", "freshclam")),
    P("filter_virus_connect_time_limit", TIME, "10s", "How long it may take to connect to a virus scanner.", DONE,
      since="gatepost", minimum=1),
    P("filter_virus_database_age", TIME, "7d", "From which age on `gatepost check` complains of virus signatures.", DONE, unit="d",
      since="gatepost", minimum=1),
    P("filter_virus_scanner", LIST, "",
      "Sockets of clamd, unix:PATH or inet:HOST:PORT, in the order in which they are asked; the next one where one does not answer."
      " Empty: mail is not scanned for viruses.", DONE, since="gatepost"),
    P("filter_virus_time_limit", TIME, "50s",
      "How long the virus scanners may take for one message, all of them together, and how long mail waits for them; less than"
      " filter_time_limit.", DONE, since="gatepost", minimum=1),
    P("filter_virus_too_large", CHOICE, "pass-marked",
      "What becomes of mail that is larger than a virus scanner takes (StreamMaxLength of clamd.conf), or than it looks into:"
      " pass-marked (as unchecked), defer, or reject.", DONE, since="gatepost", words=("pass-marked", "defer", "reject")),
    P("filter_virus_unavailable", CHOICE, "wait",
      "What becomes of mail while no virus scanner answers: wait (ask again, until filter_virus_time_limit is over; then defer),"
      " defer, or pass-marked (as unchecked).", DONE, since="gatepost", words=("wait", "defer", "pass-marked")),
)
