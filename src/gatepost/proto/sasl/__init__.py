"""SASL mechanisms, a file each, as generators without I/O, for server and client (RFC 4422)."""
