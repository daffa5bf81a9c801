"""What the guard of the analog front end promises, proved: whatever wishes come, no output is ever beyond its limits.

`Proof` is a guard with short times and narrow counters around which everything else does what it likes, in every
clock, and a monitor that looks at the outputs alone. `python -m firmware.proofs.guard FOLDER` writes it for sby;
k-induction with Yices proves, from any state that keeps the invariants among the assertions:

- codes that leave the guard are within the limits of the build, and so are those of all that is driven;
- nothing begins to be driven while a code is on its way, or is not known to stand;
- a pulse lasts no longer than its limit, and lines are at ground for `gap` clocks between two;
- drivers of SET and of RESET are never on together, nor a driver with a path to ground, and `dead` clocks are between;
- bias is on as long as one of the drivers, or not at all; never with all lines at ground, nor with amplifiers, nor
  within `dead` clocks of a path to ground; after a trip it is off in the next clock;
- without a whole frame for `silence` clocks, while a command executes or lines are not at rest, it trips;
- within `rest_clocks` after a trip, or from `safe` on, everything is at rest, and stays so until both are over.
"""

import sys
from pathlib import Path

from amaranth.back import rtlil
from amaranth.hdl import Assert, Assume, Elaboratable, Module, Mux, ResetSignal, Signal, Value

from firmware.analog.bounds import Channel, GuardParameters, Kind
from firmware.analog.guard import Guard
from firmware.analog.outputs import REST, Class, Levels
from hwctl.protocol.codes import Trip

PARAMETERS = GuardParameters(
    channels=(
        Channel(Class.ROW, 500, (400, 600), (500, 1400), (500, 1800)),
        Channel(Class.COL, 500, (400, 600), (100, 1300), (500, 500)),
        Channel(Class.GATE, 0, (0, 3000), (0, 2500), (0, 600)),
        Channel(Class.ROW, 510, (410, 610), (510, 1410), (510, 1810)),
    ),
    width=3, form_width=4, dead=2, gap=3, gate_after=2, silence=6, framing_window=8, bad_frames=2,
)  # fmt: skip
PROOF, SEARCH = 5, 12
"""Clock cycles: of the induction that proves it, and from power-up within which a broken guard shows itself."""
SCRIPT = """[options]
mode {mode}
depth {depth}
[engines]
smtbmc yices
[script]
read_rtlil guard.il
prep -top top
[files]
guard.il
"""


class Proof(Elaboratable):
    """A guard, its surroundings, and the monitor."""

    def __init__(self, parameters: GuardParameters = PARAMETERS, guard: Guard | None = None) -> None:
        """Prove the guard, or another one."""
        self.parameters = parameters
        self.guard = guard or Guard(parameters)
        self.inputs: list[Signal] = []

    def elaborate(self, _: object) -> Module:
        """Put everything together."""
        self.m = m = Module()
        m.submodules.guard = self.guard
        m.d.comb += Assume(~ResetSignal())
        self._surroundings()
        self._codes()
        self._drivers()
        self._widths()
        self._rest()
        self._silence()
        return m

    def _surroundings(self) -> None:
        """Let all inputs be free."""
        guard = self.guard
        for name, value in (
            ("wish", guard.wish.as_value()), ("write", guard.write.payload.as_value()),
            ("write_valid", guard.write.valid), ("zero", guard.zero), ("forming", guard.forming),
            ("reading", guard.reading),
            ("rested", guard.rested), ("stands", guard.stands), ("safe", guard.safe), ("heard", guard.heard),
            ("bad_frame", guard.bad_frame),
            ("executing", guard.executing), ("blocked", guard.blocked), ("acknowledge", guard.acknowledge),
            ("narrow", guard.narrow.payload.as_value()), ("narrow_valid", guard.narrow.valid),
            ("written_ready", guard.written.ready),
        ):  # fmt: skip
            free = Signal(len(value), name=f"free_{name}")
            self.inputs.append(free)
            self.m.d.comb += value.eq(free)

    def _codes(self) -> None:
        """Look at the codes that leave the guard, and at what each channel has last been given."""
        m, guard, p, written = self.m, self.guard, self.parameters, self.guard.written
        levels = guard.levels
        driven = levels.drive_row | levels.drive_col
        m.d.comb += Assert(guard.held.as_value() <= max(kind.value for kind in Kind))
        for n, channel in enumerate(p.channels):
            code = Signal(16, name=f"code_{n}")
            windows = channel.windows()
            given = written.valid & (written.payload.channel == n)
            with m.If(given):
                m.d.sync += code.eq(written.payload.code)
            with m.Elif(guard.to_rest & guard.rested):
                m.d.sync += code.eq(channel.rest)
            now = Mux(given, written.payload.code, code)
            inside = {kind: (now >= low) & (now <= high) for kind, (low, high) in windows.items()}
            m.d.comb += Assert(~given | inside[Kind.READ] | inside[Kind.PULSE] | inside[Kind.FORM])
            for kind, beyond in guard.beyond.items():
                m.d.comb += Assert(inside[kind] | beyond[n])
            with m.If(driven):
                for kind, is_inside in inside.items():
                    m.d.comb += Assert((guard.held != kind) | is_inside)
        m.d.comb += Assert(~(guard.to_rest & written.valid))
        built = [*p.reaches().values(), *p.widths().values()]
        for limit, most in zip([*guard.reaches.values(), *guard.widths.values()], built, strict=True):
            m.d.comb += Assert(limit <= most)

    def _drivers(self) -> None:
        """Look at which switches are on together, and for how long they have been apart."""
        m, p, levels = self.m, self.parameters, self.guard.levels
        driven = levels.drive_row | levels.drive_col
        m.d.comb += [
            Assert(~(levels.drive_row & levels.drive_col)),
            Assert(~(driven & levels.ground)),
            Assert(~(levels.drive_row & levels.return_row)),
            Assert(~(levels.drive_col & (levels.return_col | levels.sense))),
            Assert(~(levels.sense & (levels.ground | levels.return_col))),
        ]
        self._bias(driven)
        for n, side in enumerate(("row", "col")):
            driver, path = levels[f"drive_{side}"], levels.ground | levels[f"return_{side}"]
            apart, opened = Signal(8, name=f"apart_{side}"), Signal(8, init=255, name=f"opened_{side}")
            before, path_before = Signal(name=f"driver_before_{side}"), Signal(init=1, name=f"path_before_{side}")
            m.d.sync += [
                apart.eq(Mux(path, 0, Mux(apart == 255, apart, apart + 1))),
                opened.eq(Mux(driver | levels.bias, 0, Mux(opened == 255, opened, opened + 1))),
                before.eq(driver), path_before.eq(path),
            ]  # fmt: skip
            m.d.comb += [
                Assert(apart <= self.off_ground),
                Assert(self.guard.apart[n] <= apart),
                Assert(self.guard.opened[n] <= opened),
                Assert(~(driver & ~before) | (apart >= p.dead)),
                Assert(~(path & ~path_before) | (opened >= p.dead)),
                Assert(
                    self.guard.running
                    | (self.guard.opened[n] >= Mux(self.guard.down > p.dead, p.dead, self.guard.down))
                ),
                Assert(self.guard.apart[n] <= p.dead),
                Assert(self.guard.opened[n] <= p.dead),
            ]

    def _bias(self, driven: Value) -> None:
        """Look at when lines that are not selected are driven."""
        m, p, levels = self.m, self.parameters, self.guard.levels
        self.off_ground = Signal(8)  # clocks since all lines were at ground
        driven_before, bias_before = Signal(), Signal()
        m.d.sync += [
            self.off_ground.eq(Mux(levels.ground, 0, Mux(self.off_ground == 255, 255, self.off_ground + 1))),
            driven_before.eq(driven), bias_before.eq(levels.bias),
        ]  # fmt: skip
        m.d.comb += [
            Assert(~(levels.bias & (levels.ground | levels.sense | ~driven))),
            Assert(~(driven & driven_before) | (levels.bias == bias_before)),
            Assert(~(levels.bias & ~bias_before) | (self.off_ground >= p.dead)),
        ]

    def _widths(self) -> None:
        """Count how long lines are driven, and how long they were at ground before."""
        m, p, guard, levels = self.m, self.parameters, self.guard, self.guard.levels
        driven, before, stood = levels.drive_row | levels.drive_col, Signal(), Signal()
        lasted, grounded = Signal(8), Signal(8)  # clocks before this one
        m.d.sync += [
            before.eq(driven), stood.eq(guard.stands & ~guard.written.valid),
            lasted.eq(Mux(driven, Mux(lasted == 255, lasted, lasted + 1), 0)),
            grounded.eq(Mux(driven, 0, Mux(levels.ground & (grounded != 255), grounded + 1, grounded))),
        ]  # fmt: skip
        m.d.comb += [Assert(guard.grounded <= grounded), Assert(~(driven & ~before) | (grounded >= p.gap))]
        m.d.comb += Assert(~(driven & ~before) | stood)
        with m.If(driven & ~levels.sense):
            m.d.comb += [
                Assert(guard.lasted[:8] == lasted),
                Assert(guard.lasted[8:] == 0),
                Assert(guard.held != Kind.READ),
                Assert(lasted < Mux(guard.held == Kind.FORM, p.form_width, p.width)),
            ]
        with m.If(driven):
            m.d.comb += Assert((guard.held == Kind.READ) == levels.sense)
            m.d.comb += Assert(guard.running)

    def _rest(self) -> None:
        """Count the clocks since a trip, or since `safe` came."""
        m, p, guard = self.m, self.parameters, self.guard
        ended = Signal(8)
        stopped = guard.safe | guard.trips.any()
        m.d.sync += ended.eq(Mux(stopped, Mux(ended == 255, ended, ended + 1), 0))
        with m.If(ended >= 1):
            m.d.comb += Assert(~(guard.levels.drive_row | guard.levels.drive_col | guard.levels.bias))
        with m.If(ended >= p.rest_clocks):
            m.d.comb += Assert(guard.levels.as_value() == Levels.const(REST).as_value())
        was = Signal(16)
        acknowledged = Signal()
        m.d.sync += [was.eq(guard.trips), acknowledged.eq(guard.acknowledge)]
        m.d.comb += Assert(acknowledged | ((guard.trips & was) == was))
        m.d.comb += [Assert(~(ended >= 1) | ~guard.running), Assert(~(guard.trips.any() & guard.running))]
        m.d.comb += Assert(guard.down <= p.dead + p.gate_after)
        m.d.comb += Assert(guard.running | (ended <= guard.down + 1) | (guard.down == p.dead + p.gate_after))

    def _silence(self) -> None:
        """Count the clocks in which no frame was heard, though somebody should be there."""
        m, p, guard, alone = self.m, self.parameters, self.guard, Signal(8)
        needed = guard.executing | (guard.levels.as_value() != Levels.const(REST).as_value())
        m.d.sync += alone.eq(Mux(guard.heard | ~needed, 0, Mux(alone == 255, alone, alone + 1)))
        m.d.comb += [
            Assert(guard.quiet == Mux(alone > p.silence, p.silence, alone)),
            Assert((alone <= p.silence) | (guard.trips & Trip.SILENCE).any()),
        ]


def write(folder: Path, proof: Proof | None = None, *, search: bool = False) -> Path:
    """Write the design and the script for sby into a folder; return the script.

    search: for a run from power-up that breaks a promise, not for a proof that there is none.
    """
    proof = proof or Proof()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "guard.il").write_text(rtlil.convert(proof, name="top", ports=proof.inputs))
    script = folder / "guard.sby"
    mode, depth = ("bmc", SEARCH) if search else ("prove", PROOF)
    script.write_text(SCRIPT.format(mode=mode, depth=depth))
    return script


if __name__ == "__main__":
    write(Path(sys.argv[1]))
