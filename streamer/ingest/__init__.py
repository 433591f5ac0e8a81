"""Receive what encoders send, and hand it on as FLV tags."""
