"""The command engine as a program."""
