"""Parameters of delivery to virtual mailboxes (virtual(8))."""

from gatepost.config.parameters.row import DONE, INTEGER, MAPS, SIZE, STRING, WORDS, P, Parameter

# fmt: off
ROWS: tuple[Parameter, ...] = (
    P("virtual_delivery_status_filter", STRING, "$default_delivery_status_filter",
      "Table that changes the status code and text of virtual results.", DONE),
    P("virtual_gid_maps", MAPS, "", "Tables by recipient: group id of the mailbox.", DONE),
    P("virtual_mailbox_base", STRING, "", "Directory in front of all virtual_mailbox_maps results.", DONE),
    P("virtual_mailbox_limit", SIZE, "51200000", "Largest mailbox or Maildir file, in bytes; 0 is no limit.", DONE),
    P("virtual_mailbox_lock", WORDS, "fcntl, dotlock", "How mailboxes are locked: fcntl, flock, dotlock.", DONE,
      words=("fcntl", "flock", "dotlock")),
    P("virtual_mailbox_maps", MAPS, "", 'Tables by recipient: mailbox path; a final "/" means Maildir.', DONE),
    P("virtual_minimum_uid", INTEGER, "100", "Lowest user id that virtual_uid_maps may give.", DONE),
    P("virtual_uid_maps", MAPS, "", "Tables by recipient: user id of the mailbox.", DONE),
)
