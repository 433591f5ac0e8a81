"""Receive files: tus 1.0 and the plain POST, into an Inbox whose acknowledged bytes are on disk."""
