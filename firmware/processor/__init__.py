"""A processor for small FPGAs: a command engine or an array as a program, where there is no room for a pipeline."""
