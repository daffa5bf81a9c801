"""WireNetwork against badcrossbar, plain nodal analysis and the laws of linear networks."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hwctl.devices.wires import WireNetwork
from hwctl.errors import DeviceError

REFERENCE = json.loads((Path(__file__).parent / "data" / "badcrossbar.json").read_text(encoding="utf-8"))


def random_cells(rows, cols, seed=0, open_share=0.0):
    rng = np.random.default_rng(seed)
    G = np.exp(rng.uniform(np.log(1e-6), np.log(1e-3), (rows, cols)))
    return np.where(rng.random((rows, cols)) < open_share, 0.0, G)


def laplacian(nodes, edges):
    matrix = np.zeros((nodes, nodes))
    for a, b, g in edges:
        matrix[[a, b], [a, b]] += g
        matrix[[a, b], [b, a]] -= g
    return matrix


def nodal_matrix(G, row_ohm, col_ohm):
    """Full nodal matrix, node by node, terminals of rows and columns first; a zero resistance merges nodes."""
    rows, cols = G.shape
    count = rows + cols

    def numbered(terminal, steps, ohm):
        nonlocal count
        if not ohm:
            return [terminal] * steps, []
        line = [terminal, *range(count, count + steps)]
        count += steps
        return line[1:], [(a, b, 1.0 / ohm) for a, b in itertools.pairwise(line)]

    row_lines = [numbered(i, cols, row_ohm) for i in range(rows)]
    col_lines = [numbered(rows + j, rows, col_ohm) for j in range(cols)]
    edges = [edge for _, wires in row_lines + col_lines for edge in wires]
    edges += [(row_lines[i][0][j], col_lines[j][0][rows - 1 - i], g) for (i, j), g in np.ndenumerate(G)]
    return laplacian(count, edges)


def nodal_admittance(G, row_ohm, col_ohm):
    """Admittance of the terminals."""
    return open_nodes(nodal_matrix(G, row_ohm, col_ohm), list(range(sum(G.shape))))


def open_nodes(Y, keep):
    """Schur complement that leaves all nodes but `keep` without a source; what hangs on none carries nothing."""
    linked = (Y != 0) | np.eye(len(Y), dtype=bool)
    for _ in range(len(Y).bit_length()):
        linked = linked @ linked
    drop = [k for k in range(len(Y)) if k not in keep and linked[k, keep].any()]
    inner = Y[np.ix_(keep, keep)]
    return inner - Y[np.ix_(keep, drop)] @ np.linalg.solve(Y[np.ix_(drop, drop)], Y[np.ix_(drop, keep)])


ohms = st.sampled_from([0.0, 0.5, 7.0, 300.0, 2e4])
sizes = st.integers(1, 6)


@pytest.mark.parametrize("case", REFERENCE["cases"], ids=lambda case: case["name"])
def test_column_currents_equal_those_of_badcrossbar(case):
    network = WireNetwork(case["conductances"], case["row_ohm"], case["col_ohm"])
    np.testing.assert_allclose(network.vmm(case["voltages"]), case["currents"], rtol=1e-9)


def test_reference_covers_equal_different_and_ideal_wires_and_open_cells():
    cases = REFERENCE["cases"]
    assert REFERENCE["version"] == "1.1.0"
    assert any(case["row_ohm"] == case["col_ohm"] for case in cases)
    assert any(case["row_ohm"] > case["col_ohm"] > 0 for case in cases)
    assert any(case["row_ohm"] == 0 for case in cases)
    assert any(case["col_ohm"] == 0 for case in cases)
    assert any(np.min(case["conductances"]) == 0 for case in cases)
    assert max(len(case["conductances"]) for case in cases) == 32


def test_one_cell_is_in_series_with_one_segment_of_each_wire():
    network = WireNetwork([[1e-3]], row_ohm=200.0, col_ohm=300.0)
    np.testing.assert_allclose(network.vmm([[1.5]]), [[1.5 / 1500.0]], rtol=1e-14)


@settings(max_examples=60, deadline=None)
@given(sizes, sizes, ohms, ohms, st.integers(0, 2**32 - 1))
def test_admittance_equals_plain_nodal_analysis(rows, cols, row_ohm, col_ohm, seed):
    G = random_cells(rows, cols, seed, open_share=0.2)
    expected = nodal_admittance(G, row_ohm, col_ohm)
    np.testing.assert_allclose(WireNetwork(G, row_ohm, col_ohm).admittance, expected, rtol=1e-7, atol=1e-13)


@settings(max_examples=40, deadline=None)
@given(sizes, sizes, ohms, ohms, st.integers(0, 2**32 - 1))
def test_admittance_is_reciprocal_conserves_charge_and_only_dissipates(rows, cols, row_ohm, col_ohm, seed):
    Y = WireNetwork(random_cells(rows, cols, seed, open_share=0.2), row_ohm, col_ohm).admittance
    np.testing.assert_array_equal(Y, Y.T)
    np.testing.assert_allclose(Y.sum(axis=1), 0.0, atol=1e-13 * max(Y.max(), 1e-12))
    assert np.linalg.eigvalsh(Y).min() >= -1e-13 * Y.max()


def test_power_into_the_terminals_is_the_heat_in_cells_and_wires():
    # One row, two cells, by hand: the row's first segment carries both currents.
    network = WireNetwork([[1e-3, 2e-3]], row_ohm=50.0, col_ohm=0.0)
    (row_current,), cols = network.terminals([1.0], [0.0, 0.0])
    first = 1.0 - 50.0 * row_current
    second = first - 50.0 * cols[1]
    heat = 1e-3 * first**2 + 2e-3 * second**2 + 50.0 * (row_current**2 + cols[1] ** 2)
    assert row_current == pytest.approx(heat, rel=1e-12)
    np.testing.assert_allclose(cols, [1e-3 * first, 2e-3 * second], rtol=1e-12)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (1, 6), (6, 1)])
def test_ideal_wires_give_the_plain_matrix_product(shape):
    G = random_cells(*shape)
    network = WireNetwork(G, 0.0, 0.0)
    volts = np.random.default_rng(1).uniform(-0.2, 0.2, (7, shape[0]))
    np.testing.assert_allclose(network.vmm(volts), volts @ G, rtol=1e-13, atol=1e-20)
    np.testing.assert_array_equal(network.read_cells(0.2), 0.2 * G)


@pytest.mark.parametrize("ohms", [(1e-9, 0.0), (0.0, 1e-9), (1e-9, 1e-9)])
def test_vanishing_wire_resistance_approaches_the_ideal_limit_without_loss_of_digits(ohms):
    G = random_cells(12, 7)
    volts = np.random.default_rng(1).uniform(0.1, 0.2, (2, 12))
    ideal = volts @ G
    error = np.abs(WireNetwork(G, *ohms).vmm(volts) / ideal - 1.0).max()
    assert 0.0 < error < 1e-10


def test_wire_resistance_lowers_the_current_and_most_for_the_far_corner():
    network = WireNetwork(np.full((8, 8), 1e-4), 5.0, 5.0)
    read = network.read_cells(0.2)
    assert (read < 0.2 * 1e-4).all()
    assert read[0, 7] == read.min()
    assert read[7, 0] == read.max()


def test_wide_and_tall_arrays_follow_the_same_convention():
    G = random_cells(9, 4)
    tall = WireNetwork(G, 20.0, 3.0)
    wide = WireNetwork(np.hstack([G, np.zeros((9, 8))]), 20.0, 3.0)  # open cells to the right carry nothing
    volts = np.full((1, 9), 0.2)
    np.testing.assert_allclose(wide.vmm(volts)[:, :4], tall.vmm(volts), rtol=1e-12)
    np.testing.assert_array_equal(wide.vmm(volts)[:, 4:], 0.0)


def test_transposed_vmm_is_reciprocal_to_the_vmm():
    network = WireNetwork(random_cells(6, 4), 10.0, 30.0)
    forward = network.vmm(np.eye(6))
    np.testing.assert_allclose(network.vmm_t(np.eye(4)), forward.T, rtol=1e-13)


def test_terminals_agree_with_vmm_and_with_the_transposed_vmm():
    network = WireNetwork(random_cells(6, 4), 10.0, 30.0)
    rng = np.random.default_rng(2)
    rows, cols = rng.uniform(-1, 1, 6), rng.uniform(-1, 1, 4)
    row_alone = network.terminals(rows, np.zeros(4))
    col_alone = network.terminals(np.zeros(6), cols)
    np.testing.assert_allclose(row_alone[1], network.vmm([rows])[0], rtol=1e-12)
    np.testing.assert_allclose(-col_alone[0], network.vmm_t([cols])[0], rtol=1e-12)
    both = network.terminals(rows, cols)
    np.testing.assert_allclose(both[0], row_alone[0] + col_alone[0], rtol=1e-12)
    np.testing.assert_allclose(both[0].sum(), both[1].sum(), rtol=1e-12)  # what flows in flows out


def test_equal_voltages_on_all_lines_drive_no_current():
    rows, cols = WireNetwork(random_cells(5, 8), 10.0, 30.0).terminals(np.full(5, 0.7), np.full(8, 0.7))
    np.testing.assert_allclose(np.concatenate([rows, cols]), 0.0, atol=1e-16)


def test_sneak_paths_raise_the_current_of_a_high_resistance_cell():
    G = np.full((4, 4), 1e-4)
    G[1, 2] = 1e-7
    network = WireNetwork(G, 1.0, 1.0)
    assert network.read_cells(0.2, "grounded")[1, 2] < 0.2 * 1.01e-7
    assert network.read_cells(0.2, "floating")[1, 2] > 100 * 0.2 * 1e-7


def test_sneak_path_of_a_two_by_two_array_is_three_cells_in_series():
    network = WireNetwork([[1e-6, 1e-4], [2e-4, 4e-4]], 0.0, 0.0)
    sneak = 1.0 / (1 / 1e-4 + 1 / 4e-4 + 1 / 2e-4)
    assert network.read_cells(0.3, "floating")[0, 0] == pytest.approx(0.3 * (1e-6 + sneak), rel=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 5), st.integers(1, 5), ohms, ohms, st.integers(0, 2**32 - 1))
@example(2, 2, 2e4, 0.5, 4359)  # a column without a cell: the terminals' admittance has rounding there, no zero
def test_floating_reads_equal_the_reduction_cell_by_cell(rows, cols, row_ohm, col_ohm, seed):
    G = random_cells(rows, cols, seed, open_share=0.4)
    Y, network = nodal_matrix(G, row_ohm, col_ohm), WireNetwork(G, row_ohm, col_ohm)
    expected = [[-open_nodes(Y, [i, rows + j])[0, 1] for j in range(cols)] for i in range(rows)]
    np.testing.assert_allclose(network.read_cells(1.0, "floating"), expected, rtol=1e-7, atol=1e-14)


def test_open_cells_that_cut_the_array_in_two_pass_no_sneak_current():
    G = np.zeros((4, 4))
    G[:2, :2] = G[2:, 2:] = 1e-4
    read = WireNetwork(G, 2.0, 2.0).read_cells(0.2, "floating")
    np.testing.assert_array_equal(read[:2, 2:], 0.0)
    np.testing.assert_array_equal(read[2:, :2], 0.0)
    assert (read[:2, :2] > 0.2e-4).all()
    np.testing.assert_array_equal(WireNetwork(np.zeros((3, 2)), 1.0, 1.0).read_cells(0.2, "floating"), 0.0)


def test_the_given_array_is_neither_changed_nor_watched():
    G = random_cells(3, 3)
    before = G.copy()
    network = WireNetwork(G, 1.0, 1.0)
    currents = network.vmm(np.eye(3))
    np.testing.assert_array_equal(G, before)
    G[:] = 1.0
    np.testing.assert_array_equal(network.vmm(np.eye(3)), currents)


@pytest.mark.parametrize(
    ("cells", "row_ohm", "col_ohm", "complaint"),
    [
        ([[1e-6, np.nan]], 1.0, 1.0, "conductances"),
        ([[1e-6, np.inf]], 1.0, 1.0, "conductances"),
        ([[1e-6, -1e-9]], 1.0, 1.0, "below 0 S"),
        ([1e-6, 1e-6], 1.0, 1.0, "2 axes"),
        (np.zeros((0, 3)), 1.0, 1.0, "one cell"),
        ([[1e-6]], -1.0, 1.0, "row_ohm"),
        ([[1e-6]], 1.0, np.nan, "col_ohm"),
        ([[1e-6]], np.inf, 1.0, "row_ohm"),
    ],
)
def test_impossible_networks_are_refused(cells, row_ohm, col_ohm, complaint):
    with pytest.raises(DeviceError, match=complaint):
        WireNetwork(cells, row_ohm, col_ohm)


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (lambda network: network.vmm(np.zeros(3)), "voltages"),
        (lambda network: network.vmm(np.zeros((1, 2))), "length 3"),
        (lambda network: network.vmm_t(np.zeros((1, 3))), "length 2"),
        (lambda network: network.vmm([[0.0, np.nan, 0.0]]), "NaN"),
        (lambda network: network.terminals(np.zeros(3), np.zeros(3)), "col_volts"),
        (lambda network: network.read_cells(np.nan), "voltage"),
        (lambda network: network.read_cells(0.2, "open"), "grounded"),
    ],
)
def test_impossible_voltages_are_refused(call, complaint):
    with pytest.raises(DeviceError, match=complaint):
        call(WireNetwork(np.ones((3, 2)), 1.0, 1.0))
