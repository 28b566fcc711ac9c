"""Networks only: they know nothing of nodes or files."""
