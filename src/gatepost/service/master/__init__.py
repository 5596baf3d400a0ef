"""master(8): the supervisor, and what it holds for all its children: sockets, directories, its lock, its watch over them."""
