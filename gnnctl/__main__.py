"""`python -m gnnctl`, the same as the `gnnctl` command."""

from gnnctl.cli import main

main()
