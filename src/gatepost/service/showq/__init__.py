"""showq(8) and flush(8): users ask after the queue, and get it moving."""
