"""Parameters of addresses and where they go (trivial-rewrite(8), virtual(5), transport(5))."""

from gatepost.config.parameters.row import BOOLEAN, DONE, LIST, MAPS, STRING, TRANSPORT, P, Parameter

# fmt: off
ROWS: tuple[Parameter, ...] = (
    P("allow_min_user", BOOLEAN, "no", 'Allow addresses whose local part begins with "-".', DONE),
    P("allow_percent_hack", BOOLEAN, "yes", "Take user%domain for user@domain.", DONE),
    P("append_at_myorigin", BOOLEAN, "yes", "Complete an address without domain by @$myorigin.", DONE),
    P("append_dot_mydomain", BOOLEAN, "${{$compatibility_level} <level {1} ? {yes} : {no}}",
      "Complete a domain without dot by .$mydomain.", DONE),
    P("best_mx_transport", STRING, "",
      "Where mail goes when this host is the best mail exchanger but does not list the domain; empty returns it.", DONE),
    P("default_transport", TRANSPORT, "smtp", "Transport for remote domains.", DONE),
    P("empty_address_default_transport_maps_lookup_key", STRING, "<>",
      "Key by which sender_dependent_default_transport_maps are asked about the empty sender.", DONE),
    P("empty_address_relayhost_maps_lookup_key", STRING, "<>",
      "Key by which sender_dependent_relayhost_maps are asked about the empty sender.", DONE),
    P("local_recipient_maps", MAPS, "proxy:unix:passwd.byname $alias_maps",
      "Tables of valid recipients in mydestination; empty accepts any.", DONE),
    P("local_transport", TRANSPORT, "local:$myhostname", "Transport for mydestination and for addresses of this host.", DONE),
    P("relay_domains", LIST, "${{$compatibility_level} <level {2} ? {$mydestination} : {}}",
      "Domains that this system relays mail to.", DONE),
    P("relay_recipient_maps", MAPS, "", "Tables of valid recipients in relay_domains; empty accepts any.", DONE),
    P("relay_transport", TRANSPORT, "relay", "Transport for relay_domains.", DONE),
    P("relayhost", STRING, "", "Next hop for mail to remote domains; empty delivers by MX.", DONE),
    P("relocated_maps", MAPS, "",
      "Tables of users and domains that have moved; their mail is returned with the new address.", DONE),
    P("resolve_null_domain", BOOLEAN, "no", 'Take "user@" for a local address.', DONE),
    P("resolve_numeric_domain", BOOLEAN, "no", "Take user@1.2.3.4 for user@[1.2.3.4].", DONE),
    P("sender_dependent_default_transport_maps", MAPS, "", "Tables by sender: transport instead of default_transport.", DONE),
    P("sender_dependent_relayhost_maps", MAPS, "", "Tables by sender: next hop instead of relayhost.", DONE),
    P("swap_bangpath", BOOLEAN, "yes", "Take site!user for user@site.", DONE),
    P("transport_maps", MAPS, "", "Tables by recipient or domain: transport and next hop.", DONE),
    P("virtual_mailbox_domains", LIST, "$virtual_mailbox_maps", "Domains delivered by the virtual transport.", DONE),
    P("virtual_transport", TRANSPORT, "virtual", "Transport for virtual_mailbox_domains.", DONE),
)
