"""Processes and wiring: supervisor, worker, agent, and one short file per kind of master.cf service."""
