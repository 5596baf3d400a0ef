"""Who is it: log-ins of clients, by our own mechanisms over whoever knows the users, or by another server that runs them."""
