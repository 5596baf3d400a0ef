"""Who handed a message to whom: Received lines as hops, and how far they can be believed."""
