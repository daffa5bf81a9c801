"""Tests that every board passes: the software emulator, gateware, silicon.

    pytest --pyargs hwctl.testing.conformance --hwctl-target URL

Nothing is assumed of a board but what it says of itself in IDENTIFY, and an array of at least 2 x 2 cells. What a board
lacks is skipped, by name. Where values can be known, on an emulated board without analog layers, they are compared to
the bit by docs/cell-law.md; on any other board only what holds for every array is asked.

A physical array gets some hundred pulses a cell, within the limits that it names; `--hwctl-pulses N` says how many it
may get. An emulated board is left with other cells, step curves and noise than it had: power it up again.
"""
