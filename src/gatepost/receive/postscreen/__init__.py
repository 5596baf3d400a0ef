"""postscreen(8): who may talk to smtpd at all. Clients that give themselves away before the greeting, or are on DNS lists, are kept
out at little cost; who has passed is known for a while, to all workers."""
