"""The vocabulary of the channels: every type of event, defined once for all who read of it."""
