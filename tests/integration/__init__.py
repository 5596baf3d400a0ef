"""Gatepost among real programs: clients, a private Postfix, a private Dovecot. Root, as in CI; nothing of the host is touched."""
