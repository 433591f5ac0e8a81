"""Live streams: from a publisher's tags to what is on air, and to the recording that stays."""
