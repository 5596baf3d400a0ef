"""Sans-IO protocol cores: bytes and values in, values and bytes out; no sockets, no clock, no files."""
