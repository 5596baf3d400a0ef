"""What attackers try: one file a class; each gets the right reply, a line in the log, and no acknowledged message is lost."""
