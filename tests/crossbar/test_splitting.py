"""What is larger than a board's budgets goes in parts that fit, and gives the same bits as in one piece."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwctl.errors import BoardError, LimitError
from hwctl.protocol import commands, replies
from hwctl.protocol.codes import OuterMode, Polarity, Refusal

SET, RESET, FORM = Polarity.SET, Polarity.RESET, Polarity.FORM


def span(rng, count):
    if rng.random() < 0.3:
        return slice(0, count)
    first, last = sorted(rng.choice(count + 1, 2, replace=False).tolist())
    return slice(first, last)


def read(crossbar, rng):
    return crossbar.read(span(rng, 5), span(rng, 7), averages=2)


def vmm(crossbar, rng):
    rows, cols = span(rng, 5), span(rng, 7)
    bits = int(rng.choice([8, 16]))
    return crossbar.vmm(rng.uniform(-0.19, 0.19, (rng.integers(1, 30), rows.stop - rows.start)), rows, cols, bits=bits)


def vmm_t(crossbar, rng):
    rows, cols = span(rng, 5), span(rng, 7)
    return crossbar.vmm_t(rng.uniform(-0.19, 0.19, (rng.integers(1, 30), cols.stop - cols.start)), rows, cols)


def pulse(crossbar, rng):
    rows, cols = span(rng, 5), span(rng, 7)
    return crossbar.pulse(rng.integers(-20, 21, shape_of(rows, cols)), *usual(crossbar), rows, cols)


def pulse_cells(crossbar, rng):
    n = rng.integers(1, 40)
    places = rng.integers(0, 5, n), rng.integers(0, 7, n)
    return crossbar.pulse_cells(*places, rng.integers(-20, 21, n), *usual(crossbar))


def pulse_levels(crossbar, rng):
    rows, cols = span(rng, 5), span(rng, 7)
    shape = shape_of(rows, cols)
    sets = [shape.number for shape in crossbar.drive_levels(SET)]
    (reset,) = [shape.number for shape in crossbar.drive_levels(RESET)]
    return crossbar.pulse_levels(rng.integers(-3, 4, shape), rng.choice(sets, shape), np.full(shape, reset), rows, cols)


def outer(crossbar, rng):
    rows, cols = span(rng, 5), span(rng, 7)
    mode = rng.choice([OuterMode.COUNT, OuterMode.COINCIDENCE])
    events, most = rng.integers(1, 30), 3 if mode == OuterMode.COUNT else 128
    x, d = (rng.integers(-most, most, (events, lines.stop - lines.start)) for lines in (rows, cols))
    return crossbar.outer(x, d, *usual(crossbar), rows, cols, mode=OuterMode(mode), slots=int(rng.integers(1, 33)))


def write_verify(crossbar, rng):
    rows, cols = span(rng, 5), span(rng, 7)
    targets = rng.uniform(20e-6, 200e-6, shape_of(rows, cols))
    ramps = crossbar.drive_levels(SET), crossbar.drive_levels(RESET)
    found = crossbar.write_verify(targets, 10e-6, *ramps, rows, cols, attempts=12, averages=2)
    return np.array([found.reached, found.conductances, found.set_pulses, found.reset_pulses, found.reads])


def form(crossbar, rng):
    ramp = [crossbar.shape(FORM, round(5.0 * share, 3), 1e-3) for share in np.linspace(0.6, 1.0, 16)]
    found = crossbar.form(ramp, 10e-6, span(rng, 5), span(rng, 7), attempts=int(rng.integers(1, 20)))
    return np.array([found.formed, found.conductances, found.pulses])


def pulse_counts(crossbar, rng):
    return crossbar.pulse_counts(span(rng, 5), span(rng, 7))


def restore(crossbar, rng):
    dumped = crossbar.dump()
    crossbar.pulse(np.full((5, 7), rng.integers(1, 9)), *usual(crossbar))
    crossbar.restore(dumped)
    return dumped.words, dumped.extra


def shape_of(rows, cols):
    return rows.stop - rows.start, cols.stop - cols.start


def usual(crossbar):
    return crossbar.drive_levels(SET)[20], crossbar.drive_levels(RESET)[0]


def same(first, second):
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


OPERATIONS = [read, vmm, vmm_t, pulse, pulse_cells, pulse_levels, outer, write_verify, form, pulse_counts, restore]
BUDGETS = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("receive_budget", "reply_budget", "largest_frame"), st.integers(112, 400))
)


@pytest.mark.parametrize("options", ["unformed=0.3", "lacks=write_verify,counters"])
@settings(max_examples=25, deadline=None)
@given(BUDGETS, st.lists(st.tuples(st.sampled_from(OPERATIONS), st.integers(0, 2**32)), min_size=1, max_size=6))
def test_parts_that_fit_give_the_same_bits_as_the_whole(opened, options, budgets, program):
    # The link checks that every command and every reply fits the budgets that the board named.
    whole, parts = (opened(f"device=hfox-1t1r&{options}", **says) for says in ({}, budgets))
    for operation, seed in program:
        expected = operation(whole, np.random.default_rng(seed))
        same(expected, operation(parts, np.random.default_rng(seed)))
    same(whole.dump().words, parts.dump().words)
    np.testing.assert_array_equal(whole.pulse_counts(), parts.pulse_counts())
    assert (whole.noise_index, whole.event) == (parts.noise_index, parts.event)
    before, after = whole.status(), parts.status()
    assert (before.set_pulses, before.reset_pulses, before.reads) == (after.set_pulses, after.reset_pulses, after.reads)


def work(crossbar, operation):
    """Do an operation with some seeds. Returns what it gave, the state that it left, and the commands that it took."""
    usual(crossbar)
    crossbar.link.sent.clear()
    found = [part for seed in range(12) for part in operation(crossbar, np.random.default_rng(seed))]
    sent = len(crossbar.link.sent)
    return [*found, crossbar.dump().words], sent


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.__name__)
def test_every_operation_is_split_where_the_budget_is_small(opened, operation):
    whole, least = work(opened("device=hfox-1t1r"), operation)
    for budget in (112, 140, 200, 300):
        parts, sent = work(opened("device=hfox-1t1r", largest_frame=budget), operation)
        same(whole, parts)
        assert sent > least or budget > 112


@pytest.mark.parametrize("lacks", ["", "&lacks=outer_coincidence"])
def test_more_events_than_a_command_takes_are_split(opened, lacks):
    rng = np.random.default_rng(1)
    active = np.arange(4100) % 10 == 7  # one event of the last ten as well
    x, d = (rng.integers(-128, 128, (4100, lines)) * active[:, None] for lines in (5, 7))
    whole, pieces = opened(f"device=reram-es{lacks}"), opened("device=reram-es")
    shapes = [[crossbar.drive_levels(polarity)[0] for polarity in (SET, RESET)] for crossbar in (whole, pieces)]
    total = whole.outer(x, d, *shapes[0])
    counted = [pieces.outer(x[i : i + 1000], d[i : i + 1000], *shapes[1]) for i in range(0, 4100, 1000)]
    assert total == tuple(np.sum(counted, axis=0))
    assert total[0] > 1000
    assert whole.event == pieces.event == 4100
    same(whole.dump().words, pieces.dump().words)


def test_the_state_of_layers_is_dumped_and_restored_in_parts(opened):
    # Half-selects depend on what is pulsed together, so single cells are pulsed here.
    boards = [opened("device=hfox-1t1r&drift=0.05&half-select=0.01", **says) for says in ({}, {"reply_budget": 200})]
    for crossbar in boards:
        for row, col, count in ((0, 3, 4), (4, 6, 9), (2, 2, -1)):
            crossbar.pulse_cells([row], [col], [count], *usual(crossbar))
            crossbar.wait(2.0)
    dumped = [crossbar.dump() for crossbar in boards]
    assert dumped[0].extra.size
    same((dumped[0].words, dumped[0].extra), (dumped[1].words, dumped[1].extra))
    for crossbar in boards:
        crossbar.pulse_cells([1], [1], [50], *usual(crossbar))
        crossbar.restore(dumped[0])
    same(boards[0].dump().extra, boards[1].dump().extra)
    np.testing.assert_array_equal(boards[0].read(), boards[1].read())


def test_a_vector_that_no_frame_holds_is_refused_before_anything_is_sent(opened):
    crossbar = opened(reply_budget=96 + 13)
    with pytest.raises(LimitError, match=r"13 bytes of emulator:.*; tile it"):
        crossbar.vmm(np.zeros((2, 5)))
    assert crossbar.link.sent == []
    assert crossbar.vmm(np.zeros((2, 5)), cols=slice(0, 6)).shape == (2, 6)


@pytest.mark.parametrize("kind", ["outer", "measure"])
def test_a_command_that_no_frame_holds_is_refused_before_anything_is_sent(opened, kind):
    crossbar = opened(receive_budget=96 + 11)
    shapes = [crossbar.drive_levels(polarity)[0] for polarity in (SET, RESET)]
    crossbar.link.sent.clear()
    with pytest.raises(LimitError):
        if kind == "outer":
            crossbar.outer(np.ones((1, 5), int), np.ones((1, 7), int), *shapes)
        else:
            crossbar.measure(np.zeros(5), np.zeros(7))
    assert crossbar.link.sent == []


def test_parts_before_a_refused_one_are_counted_and_named(opened, monkeypatch):
    crossbar = opened("lacks=counters", largest_frame=112)
    shapes = [crossbar.drive_levels(polarity)[0] for polarity in (SET, RESET)]
    execute, pulses = crossbar.link.execute, []

    def interlocked(command):
        pulses.append(isinstance(command, commands.Pulse))
        return replies.Refused(Refusal.INTERLOCK, "door open") if sum(pulses) == 2 else execute(command)

    monkeypatch.setattr(crossbar.link, "execute", interlocked)
    with pytest.raises(BoardError, match="door open") as error:
        crossbar.pulse(np.ones((5, 7), int), *shapes)
    assert "nothing was executed" not in str(error.value)
    monkeypatch.undo()
    assert crossbar.pulse_counts().sum() == crossbar.status().set_pulses > 0
