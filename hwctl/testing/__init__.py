"""For users: a pytest plugin, and a conformance suite for any board.

`hwctl.testing.plugin` is loaded by pytest where hwctl is installed; `pytest --pyargs hwctl.testing.conformance
--hwctl-target URL` tests a board.
"""
