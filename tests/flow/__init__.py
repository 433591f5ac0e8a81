"""Walk whole roads with the real encoder."""
