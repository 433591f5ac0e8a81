"""Outgoing webhooks: numbered events are posted, signed, to addresses that administrators name."""
