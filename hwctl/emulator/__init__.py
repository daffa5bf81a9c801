"""The software board: executes commands on a device model, with the integer cell law compiled by numba."""
