"""The table of cores: a name, and what is run with octets. A new parser gets a line here and seeds in seeds/NAME/."""

from collections.abc import Callable, Mapping

from tests.fuzz import acme, configuration, identity, local, login, mail, milter, policy, sessions, stored, tables, wire

CORES: Mapping[str, Callable[[bytes], None]] = {
    # gatepost.proto
    "bdat": wire.bdat,
    "client": wire.client,
    "commands": wire.commands,
    "conversation": sessions.conversation,
    "data": wire.data,
    "dns": wire.dns,
    "dot_stuffing": wire.dot_stuffing,
    "downgrade": wire.downgrade,
    "milter_answers": milter.answers,
    "milter_edits": milter.edits,
    "milter_options": milter.options,
    "paths": wire.paths,
    "policy": wire.policy,
    "postfix_attributes": wire.postfix_attributes,
    "proxy": wire.proxy,
    "proxy_filter": wire.proxy_filter,
    "qmqp": wire.qmqp,
    "reply_lines": wire.reply_lines,
    "reply_reader": wire.reply_reader,
    "sasl_client": login.sasl_client,
    "sasl_server": login.sasl_server,
    "server": wire.server,
    # gatepost.mail
    "addresses": mail.addresses,
    "header_addresses": mail.header_addresses,
    "headers": mail.headers,
    "mime_walk": mail.mime_walk,
    "queue_ids": mail.queue_ids,
    # gatepost.config
    "command_words": configuration.command_words,
    "expansions": configuration.expansions,
    "main_cf": configuration.main_cf,
    "main_edits": configuration.main_edits,
    "master_cf": configuration.master_cf,
    "master_edits": configuration.master_edits,
    "templates": configuration.templates,
    "typed_values": configuration.typed_values,
    # gatepost.acme
    "acme_answers": acme.acme_answers,
    "acme_challenge": acme.acme_challenge,
    # gatepost.identity
    "spf_policies": identity.spf_policies,
    # gatepost.policy, gatepost.receive.postscreen
    "berkeley_db": policy.berkeley_db,
    "greylist_keys": policy.greylist_keys,
    "greylist_lists": policy.greylist_lists,
    "postscreen_engine": policy.postscreen_engine,
    # gatepost.lookup
    "alias_file": tables.alias_file,
    "brace_lists": tables.brace_lists,
    "cidr": tables.cidr,
    "inline": tables.inline,
    "match_lists": tables.match_lists,
    "pcre": tables.pcre,
    "regexp": tables.regexp,
    "table_file": tables.table_file,
    # gatepost.cli, gatepost.deliver, gatepost.service
    "agent_records": local.agent_records,
    "agent_stream": local.agent_stream,
    "command_lines": local.command_lines,
    "forward_file": local.forward_file,
    "pipe_service": local.pipe_service,
    "sendmail_message": local.sendmail_message,
    "sendmail_options": local.sendmail_words,
    # gatepost.queue, gatepost.receive, gatepost.events, gatepost.net
    "hosts_file": stored.hosts_file,
    "log_lines": stored.log_lines,
    "log_text": stored.log_text,
    "maildrop_file": stored.maildrop_file,
    "notice_template": stored.notice_template,
    "proxied_client": sessions.proxied_client,
    "outcome_record": stored.outcome_record,
    "queue_record": stored.queue_record,
    "showq_listing": stored.showq_listing,
    "unix_lines": stored.unix_lines,
}
