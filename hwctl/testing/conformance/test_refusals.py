"""What is malformed or beyond a limit is refused with its reason, and nothing of it is executed, not even in part."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest

from hwctl.protocol import codes, commands, replies
from hwctl.protocol.codes import Feature, OuterMode, Refusal, ShapePer
from hwctl.protocol.commands import Command
from hwctl.protocol.packing import Ramp, Region
from hwctl.testing.conformance.bench import FORM, REGION_COMMANDS, SET, UNDEFINED, Bench

# -- regions -------------------------------------------------------------------------------------------------------

EDGES: dict[str, Callable[[Bench], Region]] = {
    "a row too many": lambda b: Region(b.rows - 1, b.rows + 1, b.cols - 2, b.cols),
    "a column too many": lambda b: Region(b.rows - 2, b.rows, b.cols - 1, b.cols + 1),
    "rows outside": lambda b: Region(b.rows, b.rows + 1, 0, 1),
    "columns outside": lambda b: Region(0, 1, b.cols, b.cols + 1),
}
EMPTY = {
    "no rows": Region(1, 1, 0, 2),
    "no columns": Region(0, 2, 1, 1),
    "rows backwards": Region(2, 1, 0, 2),
    "columns backwards": Region(0, 2, 2, 1),
}
BAD_FORM = Refusal.OVER_LIMIT, Refusal.MALFORMED


def region_command(bench: Bench, name: str, region: Region) -> Command:
    feature = REGION_COMMANDS[name]
    if feature is not None and not bench.has(feature):
        pytest.skip(f"{bench.url} lacks {feature.name}")
    return bench.on(name, region)


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("name", REGION_COMMANDS)
def test_a_region_that_leaves_the_array_is_refused(bench: Bench, name: str, edge: str) -> None:
    allowed = (Refusal.OUT_OF_REGION, *BAD_FORM) if max(bench.rows, bench.cols) == codes.MAX_LINES else ()
    bench.refused(region_command(bench, name, EDGES[edge](bench)), Refusal.OUT_OF_REGION, *allowed)


@pytest.mark.parametrize("edge", EMPTY)
@pytest.mark.parametrize("name", REGION_COMMANDS)
def test_a_region_without_cells_is_refused(bench: Bench, name: str, edge: str) -> None:
    bench.refused(region_command(bench, name, EMPTY[edge]), Refusal.OUT_OF_REGION, *BAD_FORM)


@pytest.mark.parametrize("name", REGION_COMMANDS)
def test_a_region_up_to_the_last_line_is_executed(bench: Bench, name: str) -> None:
    command = region_command(bench, name, Region(bench.rows - 1, bench.rows, bench.cols - 1, bench.cols))
    if name != "RESTORE":  # its layers' bytes are of the whole block
        assert not isinstance(bench.execute(command), replies.Refused)


@pytest.mark.parametrize("outside", ["row", "column"])
def test_a_list_with_one_cell_outside_is_refused_whole(bench: Bench, outside: str) -> None:
    wrong = (bench.rows, 0) if outside == "row" else (0, bench.cols)
    bench.refused(bench.sparse([(0, 0), wrong], [1, 1]), Refusal.OUT_OF_REGION)


# -- fields --------------------------------------------------------------------------------------------------------


class Bad(NamedTuple):
    """A command that must be refused: how it is made, why it is refused, and the feature that it needs."""

    make: Callable[[Bench], Command]
    allowed: tuple[Refusal, ...] = BAD_FORM
    feature: Feature | None = None


def ones(bench: Bench) -> commands.Pulse:
    return bench.pulse(np.ones(bench.block.shape))


def per(bench: Bench, kind: ShapePer, change: int, polarity: int = 0) -> commands.Pulse:
    """Return a PULSE with a shape for each line or cell, and some too many (change) for one polarity."""
    number = kind.count(*bench.block.shape)
    shapes = [np.full(number, own, np.uint8) for own in bench.pair]
    shapes[polarity] = np.full(number + change, bench.pair[polarity], np.uint8)
    return replace(ones(bench), per=kind, set_shapes=shapes[0], reset_shapes=shapes[1])


def one_undefined(bench: Bench) -> commands.Pulse:
    shapes = np.full(bench.block.rows, bench.pair[0], np.uint8)
    shapes[-1] = UNDEFINED
    resets = np.full(bench.block.rows, bench.pair[1], np.uint8)
    return replace(ones(bench), per=ShapePer.ROW, set_shapes=shapes, reset_shapes=resets)


def form_as_set(bench: Bench) -> commands.Pulse:
    if not bench.has(Feature.FORM):
        pytest.skip(f"{bench.url} lacks FORM")
    return replace(ones(bench), set_shapes=np.array([bench.form_shape], np.uint8))


def shaped(bench: Bench, sets: int, resets: int, sign: int = 1) -> commands.Pulse:
    shapes = np.array([sets], np.uint8), np.array([resets], np.uint8)
    return replace(bench.pulse(np.full(bench.block.shape, sign)), set_shapes=shapes[0], reset_shapes=shapes[1])


def product(bench: Bench, kind: type[commands.Vmm], change: int = 0, batch: int = 1, tia_range: int = -1) -> Command:
    lines = bench.block.cols if kind is commands.VmmT else bench.block.rows
    chosen = bench.coarsest if tia_range < 0 else tia_range
    return kind(bench.block, np.zeros((batch, lines + change), np.int8), chosen, 0)


def missing_range(bench: Bench) -> int:
    """Return a TIA range that the board does not name; skips where it has all."""
    missing = set(range(codes.MAX_TIA_RANGE + 1)) - set(bench.identity.tia_ranges.tolist())
    if not missing:
        pytest.skip(f"{bench.url} names every TIA range")
    return max(missing)


def measure(bench: Bench, across: int = 0, rows: int = 0, tia_range: int = -1) -> commands.Measure:
    """Return a MEASURE with so many voltage codes across its last cell, half from the row, half from the column."""
    height, width = bench.block.shape
    row_codes, col_codes = np.zeros(height + rows, np.int16), np.zeros(width, np.int16)
    if across > 0x7FFF:
        pytest.skip(f"{bench.url} takes every voltage across a cell that MEASURE can name")
    row_codes[-1], col_codes[-1] = across - across // 2, -(across // 2)
    return commands.Measure(bench.block, row_codes, col_codes, 0, bench.coarsest if tia_range < 0 else tia_range, 0)


def outer(bench: Bench, mode: OuterMode = OuterMode.COINCIDENCE, **change: object) -> commands.Outer:
    height, width = bench.block.shape
    return replace(bench.outer(np.ones((2, height)), np.ones((2, width)), mode, 4), **change)  # type: ignore[arg-type]


def verify(bench: Bench, **change: object) -> commands.WriteVerify:
    return replace(bench.verify(0, 0, 1), **change)  # type: ignore[arg-type]


COUNT, COINCIDENCE = Feature.OUTER_COUNT, Feature.OUTER_COINCIDENCE
VERIFY, EMULATED = Feature.WRITE_VERIFY, Feature.EMULATED
NO_SHAPE = (Refusal.NO_SHAPE,)
RANGE = Refusal.OVER_LIMIT, Refusal.MALFORMED, Refusal.UNSUPPORTED

BAD: dict[str, Bad] = {
    "PULSE with counts of another shape": Bad(lambda b: replace(ones(b), counts=np.ones((1, b.block.cols), np.int8))),
    "PULSE with -128 pulses": Bad(lambda b: replace(ones(b), counts=np.full(b.block.shape, -128, np.int8))),
    **{
        f"PULSE with {'a shape too few' if change < 0 else 'a shape too many'} per {kind.name}": Bad(
            lambda b, kind=kind, change=change: per(b, kind, change, change < 0)  # type: ignore[misc]
        )
        for kind in ShapePer
        for change in (-1, 1)
    },
    "PULSE with an undefined SET shape": Bad(lambda b: shaped(b, UNDEFINED, b.pair[1]), NO_SHAPE),
    "PULSE with an undefined RESET shape": Bad(lambda b: shaped(b, b.pair[0], UNDEFINED, -1), NO_SHAPE),
    "PULSE with one undefined shape among those of its rows": Bad(one_undefined, NO_SHAPE),
    "PULSE with a RESET shape for SET": Bad(lambda b: shaped(b, b.pair[1], b.pair[1]), NO_SHAPE),
    "PULSE with a SET shape for RESET": Bad(lambda b: shaped(b, b.pair[0], b.pair[0], -1), NO_SHAPE),
    "PULSE with a FORM shape for SET": Bad(form_as_set, NO_SHAPE),
    "PULSE_SPARSE with an undefined shape": Bad(
        lambda b: replace(b.sparse([(0, 0)], [1]), set_shape=UNDEFINED), NO_SHAPE
    ),
    "PULSE_SPARSE with a SET shape for RESET": Bad(
        lambda b: replace(b.sparse([(0, 0)], [-1]), reset_shape=b.pair[0]), NO_SHAPE
    ),
    "PULSE_SPARSE with -128 pulses": Bad(lambda b: b.sparse([(0, 0), (0, 1)], [1, -128])),
    "PULSE_SPARSE with a count too many": Bad(lambda b: replace(b.sparse([(0, 0)], [1]), counts=np.ones(2, np.int8))),
    "PULSE_SPARSE with a row too many": Bad(lambda b: replace(b.sparse([(0, 0)], [1]), rows=np.zeros(2, np.uint16))),
    "PULSE_SPARSE of no cell": Bad(lambda b: b.sparse(np.zeros((0, 2)), np.zeros(0))),
    "READ with 8192 averages": Bad(lambda b: commands.Read(b.block, 13, codes.MAX_READ_RANGE, 0)),
    "READ in a range too high": Bad(lambda b: commands.Read(b.block, 0, codes.MAX_READ_RANGE + 1, 0)),
    "VMM with a line too few": Bad(lambda b: product(b, commands.Vmm, -1), feature=Feature.VMM),
    "VMM with a line too many": Bad(lambda b: product(b, commands.Vmm, 1), feature=Feature.VMM),
    "VMM without a vector": Bad(lambda b: product(b, commands.Vmm, batch=0), feature=Feature.VMM),
    "VMM in range 16": Bad(lambda b: product(b, commands.Vmm, tia_range=16), feature=Feature.VMM),
    "VMM in a range that is not there": Bad(
        lambda b: product(b, commands.Vmm, tia_range=missing_range(b)), RANGE, Feature.VMM
    ),
    "VMM_T with a line too few": Bad(lambda b: product(b, commands.VmmT, -1), feature=Feature.VMM_T),
    "VMM_T with a line too many": Bad(lambda b: product(b, commands.VmmT, 1), feature=Feature.VMM_T),
    "VMM_T without a vector": Bad(lambda b: product(b, commands.VmmT, batch=0), feature=Feature.VMM_T),
    "VMM_T in range 16": Bad(lambda b: product(b, commands.VmmT, tia_range=16), feature=Feature.VMM_T),
    "VMM_T in a range that is not there": Bad(
        lambda b: product(b, commands.VmmT, tia_range=missing_range(b)), RANGE, Feature.VMM_T
    ),
    "MEASURE with too high a voltage across one cell": Bad(
        lambda b: measure(b, b.identity.max_read + 1), (Refusal.OVER_LIMIT,), Feature.MEASURE
    ),
    "MEASURE with a row too few": Bad(lambda b: measure(b, rows=-1), feature=Feature.MEASURE),
    "MEASURE with a row too many": Bad(lambda b: measure(b, rows=1), feature=Feature.MEASURE),
    "MEASURE in range 16": Bad(lambda b: measure(b, tia_range=16), feature=Feature.MEASURE),
    "MEASURE in a range that is not there": Bad(
        lambda b: measure(b, tia_range=missing_range(b)), RANGE, Feature.MEASURE
    ),
    "OUTER of 128 pulses": Bad(
        lambda b: b.outer(np.full((1, b.block.rows), 64), np.full((1, b.block.cols), 2)), feature=COUNT
    ),
    "OUTER with more x than d": Bad(lambda b: outer(b, x=np.ones((3, b.block.rows), np.int8)), feature=COINCIDENCE),
    "OUTER with a row too many": Bad(
        lambda b: outer(b, x=np.ones((2, b.block.rows + 1), np.int8)), feature=COINCIDENCE
    ),
    "OUTER with a column too few": Bad(
        lambda b: outer(b, OuterMode.COUNT, d=np.ones((2, b.block.cols - 1), np.int8)), feature=COUNT
    ),
    "OUTER without slots": Bad(lambda b: outer(b, slots=0), feature=COINCIDENCE),
    "OUTER of 33 slots": Bad(lambda b: outer(b, slots=codes.MAX_SLOTS + 1), feature=COINCIDENCE),
    "OUTER with an undefined shape": Bad(lambda b: outer(b, set_shape=UNDEFINED), NO_SHAPE, COINCIDENCE),
    "OUTER with a SET shape for RESET": Bad(
        lambda b: outer(b, OuterMode.COUNT, reset_shape=b.pair[0]), NO_SHAPE, COUNT
    ),
    "WRITE_VERIFY with targets of another shape": Bad(
        lambda b: verify(b, targets=np.zeros((1, b.block.cols), np.uint16)), feature=VERIFY
    ),
    "WRITE_VERIFY of 4096 attempts": Bad(lambda b: verify(b, attempts=codes.MAX_ATTEMPTS + 1), feature=VERIFY),
    "WRITE_VERIFY with 8192 averages": Bad(lambda b: verify(b, averages_log2=13), feature=VERIFY),
    "WRITE_VERIFY with a ramp backwards": Bad(lambda b: verify(b, set_ramp=Ramp(9, 8, 1)), feature=VERIFY),
    "WRITE_VERIFY with a ramp that never ends": Bad(lambda b: verify(b, set_ramp=Ramp(0, 1, 0)), feature=VERIFY),
    "WRITE_VERIFY with an undefined shape": Bad(
        lambda b: verify(b, reset_ramp=Ramp(UNDEFINED, UNDEFINED, 0)), NO_SHAPE, VERIFY
    ),
    "WRITE_VERIFY with RESET shapes for SET": Bad(
        lambda b: verify(b, set_ramp=Ramp(b.pair[1], b.pair[1], 0)), NO_SHAPE, VERIFY
    ),
    "FORM of 4096 attempts": Bad(lambda b: b.form(codes.MAX_ATTEMPTS + 1), feature=Feature.FORM),
    "FORM with a SET shape": Bad(
        lambda b: replace(b.form(1), ramp=Ramp(b.pair[0], b.pair[0], 0)), NO_SHAPE, Feature.FORM
    ),
    "FORM with an undefined shape": Bad(
        lambda b: replace(b.form(1), ramp=Ramp(UNDEFINED, UNDEFINED, 0)), NO_SHAPE, Feature.FORM
    ),
    "LOAD_COUNTERS of another shape": Bad(
        lambda b: commands.LoadCounters(b.block, np.ones((1, 1), np.uint32)), feature=Feature.COUNTERS
    ),
    "LOAD_CELLS of a cell too few": Bad(lambda b: commands.LoadCells(b.block, b.words()[1:]), feature=EMULATED),
    "LOAD_CELLS of a cell beyond the codes": Bad(lambda b: commands.LoadCells(b.block, beyond(b)), feature=EMULATED),
    "RESTORE of a cell too few": Bad(
        lambda b: commands.Restore(b.block, np.zeros((1, b.words().shape[1]), np.uint16), 0, np.zeros(0, np.uint8)),
        feature=EMULATED | Feature.RESTORE,
    ),
    "LOAD_CURVE of a level that is not there": Bad(
        lambda b: curve(b, level=codes.MAX_LEVELS - 1), (Refusal.NOT_CHARACTERISED, Refusal.OVER_LIMIT), EMULATED
    ),
    "LOAD_CURVE of FORM": Bad(lambda b: curve(b, polarity=FORM), feature=EMULATED),
    "LOAD_CURVE with an entry too few": Bad(lambda b: curve(b, entries=codes.CURVE_ENTRIES - 1), feature=EMULATED),
    "WAIT beyond the clock": Bad(lambda _: commands.Wait(0xFFFFFFFFFFFFFFFF), feature=Feature.VIRTUAL_TIME),
}


def beyond(bench: Bench) -> np.ndarray:
    """Return words of the block in which the last cell reaches beyond the highest code."""
    words = bench.words().copy()
    words[-1, 3:5] = 0x9000  # low and span
    return words


def curve(bench: Bench, polarity: int = SET, level: int = 0, entries: int = codes.CURVE_ENTRIES) -> commands.LoadCurve:
    if level and len(bench.sets) > level:
        pytest.skip(f"{bench.url} has every drive level of SET")
    mean, sigma = np.zeros(entries, np.int16), np.zeros(codes.CURVE_ENTRIES, np.uint16)
    return commands.LoadCurve(codes.Polarity(polarity), level, 12, mean, sigma)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_command_is_refused_and_nothing_is_executed(bench: Bench, name: str) -> None:
    bad = BAD[name]
    if bad.feature is not None and bad.feature & bench.identity.features != bad.feature:
        pytest.skip(f"{bench.url} lacks {(bad.feature & ~bench.identity.features).name}")
    bench.read()  # the clock is not at 0
    bench.refused(bad.make(bench), *bad.allowed)


def test_a_read_in_a_configured_range_that_is_too_high_is_refused(bench: Bench) -> None:
    above = [r for r in bench.identity.tia_ranges.tolist() if r > codes.MAX_READ_RANGE]
    if not above:
        pytest.skip(f"{bench.url} names no TIA range above those of READ")
    bench.done(bench.configure_read(tia_range=above[0]), replies.Done)
    bench.refused(commands.Read(bench.block, 0, codes.RANGE_AS_CONFIGURED, 0), *BAD_FORM)


def test_the_highest_voltage_across_a_cell_is_executed(bench: Bench) -> None:
    if not bench.has(Feature.MEASURE):
        pytest.skip(f"{bench.url} lacks MEASURE")
    bench.done(measure(bench, min(bench.identity.max_read, 0x7FFF)), replies.Currents)


def test_a_board_works_on_after_a_refusal(bench: Bench) -> None:
    bench.refused(bench.sparse([(bench.rows, 0)], [1]), Refusal.OUT_OF_REGION)
    assert bench.done(bench.sparse([(bench.rows - 1, 0)], [1]), replies.Pulsed).set_pulses == 1
