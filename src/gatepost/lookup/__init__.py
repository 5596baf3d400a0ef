"""Lookup tables, one file per table type, behind one port; and lists that match (domains, networks, addresses)."""
