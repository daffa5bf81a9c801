"""Registers that make a signal later."""

from amaranth.hdl import Module, Signal, Value, ValueCastable


class Delays:
    """`late(signal, n)` is the signal n clocks later; a chain of registers is made once and shared."""

    def __init__(self, m: Module) -> None:
        """Put the registers below module `m`: in a module of their own, they are under no condition."""
        m.submodules.delays = self._m = Module()
        self._chains: dict[int, list[Value]] = {}

    def __call__(self, signal: Value | ValueCastable, clocks: int) -> Value:
        """Return the delayed signal."""
        chain = self._chains.setdefault(id(signal), [Value.cast(signal)])
        while len(chain) <= clocks:
            before = chain[-1]
            # Data needs no reset: what says that it is valid has one.
            name = f"{getattr(signal, 'name', 'value')}_{len(chain)}"
            after = Signal(before.shape(), name=name, reset_less=len(before) > 1)
            self._m.d.sync += after.eq(before)
            chain.append(after)
        return chain[clocks]
