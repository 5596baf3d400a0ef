"""What breaks under a mail system: processes, disks, names, next hops, databases. Nothing acknowledged is lost by any of it."""
