"""Watch the pages in a real browser."""
