"""Broadcasts of other servers, asked for once and sent on to all who watch here."""
