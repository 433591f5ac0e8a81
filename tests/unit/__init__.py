"""Judge pure code: no socket, no child process."""
