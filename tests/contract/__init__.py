"""Judge every implementation of a protocol with one suite."""
