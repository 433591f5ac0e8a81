"""Players and parsers of other people, which judge what the packager writes."""
