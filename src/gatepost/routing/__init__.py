"""Rewriting, aliases and resolution: from an address as given to transport, next hop and recipient."""
