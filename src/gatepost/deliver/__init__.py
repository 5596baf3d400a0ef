"""Delivery agents, one file per transport, behind one port."""
