"""Measuring a chip: what its cells do, how sure that is, and the record and digital twin made of it.

Data goes one way. `plan` says what a budget of pulses buys, `outlook` how sure it will be. `procedure` runs its stages
(`forming`, `noise`, `readpath`, `response`, `still`, `bounds`, `walk`) through a `Probe`, which counts every pulse and
keeps the raw trace; `fit` makes curves and spreads of the trace, and `effects` goes on with what else a chip does
(`loads`, `symmetry`, `relaxation`, `reading`). `record` keeps all of it in a file; `twin` turns that into an emulated
chip. Later, `compare` sets two records side by side, and `lifetime` carries a chip's counts on. An `Estimate` is a
figure with its error.
"""
