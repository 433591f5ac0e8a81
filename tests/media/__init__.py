"""Make media whose every frame is known, and read it back."""
