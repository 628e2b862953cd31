"""Lets `python -m frostline.cli` stand for `frostline`."""

from frostline.cli import main

main()
