"""A self-hosted HTTP streaming media server."""

__version__ = "0.1.0"
