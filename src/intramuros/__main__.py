"""`python -m intramuros` is the command `intramuros`."""

from intramuros.cli import main

main()
