"""Postfix's configuration language: main.cf, master.cf, the one parameter table, and frozen views of it per service."""
