"""`python -m ddnn` is the command `ddnn`."""

from ddnn.cli.main import main

main()
