"""Listeners, streams, TLS and DNS: the only room that opens sockets."""
