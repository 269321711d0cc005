"""`python -m ddnn` is the command `ddnn`."""

from ddnn.cli.entry import main

main()
