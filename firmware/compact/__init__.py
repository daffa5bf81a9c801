"""Command engine and array as programs on `firmware/processor`, for FPGAs that have no room for the pipelines."""
