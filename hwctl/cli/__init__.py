"""The command line: the only code that prints or exits. One file a command."""

from hwctl.cli.app import main

__all__ = ["main"]
