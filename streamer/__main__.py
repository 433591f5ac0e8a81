"""`python -m streamer` is the command line."""

from streamer.cli import main

main()
