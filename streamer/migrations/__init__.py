"""The catalog's migrations, run when the server starts."""
