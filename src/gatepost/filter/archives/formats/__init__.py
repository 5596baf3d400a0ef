"""Archive formats: a file each, which lists the members that octets hold. What is damaged is told, never guessed around."""
