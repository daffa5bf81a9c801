"""Measuring a chip: what its cells do, how sure that is, and the record and digital twin made of it.

Data goes one way: `plan` says what a budget of pulses buys; `procedure` runs its stages (`noise`, `response`, `still`,
`bounds`, `walk`) through a `Probe`, which counts every pulse and keeps the raw trace; `fit` makes curves and spreads of
the trace; `record` keeps all of it in a file; `twin` turns that into an emulated chip.
"""
