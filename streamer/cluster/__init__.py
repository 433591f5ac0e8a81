"""Encoding on many machines: Runs carried by procrastinate on PostgreSQL; the run rows are the truth."""
