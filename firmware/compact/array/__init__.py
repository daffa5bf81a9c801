"""The emulated array as a program."""
