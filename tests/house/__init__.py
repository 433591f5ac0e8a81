"""Hold the rules of the house."""
