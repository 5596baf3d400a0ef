"""How a message comes in: SMTP sessions, cleanup, local pickup."""
