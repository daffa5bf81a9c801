"""Wire resistance of a crossbar: IR drop in VMMs, sneak paths in reads.

The network and its terminals are those of badcrossbar (Joksas and Mehonic, SoftwareX 12 (2020) 100617): row i is
driven at its left end and column j sensed at its bottom end, each through one wire segment; one more segment lies
between neighbouring cells. So the cell at (i, j) sees j + 1 row segments and rows - i column segments. Top and right
ends are open.
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwctl.errors import DeviceError

Floats = NDArray[np.float64]

OPEN = 1e-10
"""Paths weaker than this share of the strongest one count as open: rounding hides them (floating reads only)."""


class WireNetwork:
    """Resistive network of a crossbar with `rows` wordlines and `cols` bitlines, solved once for all its terminals.

    Cells are linear resistors. What is kept is the admittance between the rows + cols terminals, so each later VMM is
    one dense matrix product, and equal inputs give equal currents in whatever order they are asked for.
    """

    def __init__(self, conductances: ArrayLike, row_ohm: float, col_ohm: float) -> None:
        """Solve the network.

        `conductances` has shape (rows, cols), in S, finite, 0 or more (0: an open cell). `row_ohm` and `col_ohm` are
        the resistances of one segment of a row and of a column in ohm, finite, 0 or more; 0 is an ideal wire, exactly.
        Raise DeviceError on anything else.
        """
        G = _array(conductances, "conductances", 2)
        if not G.size or (G < 0.0).any():
            raise DeviceError(f"conductances of shape {G.shape}: give at least one cell, and none below 0 S")
        self.rows, self.cols = G.shape
        self.row_ohm = _ohm(row_ohm, "row_ohm")
        self.col_ohm = _ohm(col_ohm, "col_ohm")
        if self.cols <= self.rows:
            among_rows, transfer, among_cols = _reduce(G, self.row_ohm, self.col_ohm)
        else:
            # The work grows with rows * cols**3: turn a wide array so that its rows become columns. Terminals sit at
            # the left and at the bottom, so both orders are reversed too.
            among_cols, turned, among_rows = _reduce(G[::-1, ::-1].T, self.col_ohm, self.row_ohm)
            among_cols, among_rows = among_cols[::-1, ::-1], among_rows[::-1, ::-1]
            transfer = turned[::-1, ::-1].T
        self._among_rows, self._among_cols = _symmetric(among_rows), _symmetric(among_cols)
        self._transfer: Floats = np.ascontiguousarray(transfer)

    @property
    def admittance(self) -> Floats:
        """Admittance of the terminals in S, shape (rows + cols, rows + cols), rows first.

        Times the terminal voltages it gives the currents that flow *into* the array. Symmetric, and each of its rows
        sums to zero.
        """
        return np.block([[self._among_rows, -self._transfer.T], [-self._transfer, self._among_cols]])

    def vmm(self, voltages: ArrayLike) -> Floats:
        """Return column currents in A, shape (batch, cols), for row voltages in V, shape (batch, rows).

        All columns are sensed at 0 V. Without wire resistance this is `voltages @ conductances`. Raise DeviceError on
        another shape and on NaN or infinite voltages.
        """
        return _array(voltages, "voltages", 2, self.rows) @ self._transfer.T

    def vmm_t(self, voltages: ArrayLike) -> Floats:
        """Return row currents in A, shape (batch, rows), for column voltages in V, shape (batch, cols).

        The transposed VMM: columns are driven at their bottom ends, all rows are sensed at 0 V. Raise DeviceError as
        `vmm` does.
        """
        return _array(voltages, "voltages", 2, self.cols) @ self._transfer

    def terminals(self, row_volts: ArrayLike, col_volts: ArrayLike) -> tuple[Floats, Floats]:
        """Return the row currents (rows,) and the column currents (cols,) in A when every line is driven.

        `row_volts` (rows,) and `col_volts` (cols,) are in V. A row current counts as positive into the array, a column
        current as positive out of it, so that at 0 V columns they agree with `vmm`. Raise DeviceError as `vmm` does.
        """
        rows = _array(row_volts, "row_volts", 1, self.rows)
        cols = _array(col_volts, "col_volts", 1, self.cols)
        return (
            self._among_rows @ rows - self._transfer.T @ cols,
            self._transfer @ rows - self._among_cols @ cols,
        )

    def read_cells(self, voltage: float, unselected: Literal["grounded", "floating"] = "grounded") -> Floats:
        """Return the current in A of each cell's column while only its own row is driven, shape (rows, cols).

        The row is at `voltage` in V and the cell's column is sensed at 0 V. All other rows and columns are held at 0 V
        ("grounded") or left open ("floating"), where sneak paths through the other cells add to the current. Raise
        DeviceError on a voltage that is not finite and on another word.
        """
        volts = float(voltage)
        if not np.isfinite(volts):
            raise DeviceError(f"voltage {voltage!r} is not finite: give the read voltage in V")
        if unselected == "grounded":
            return volts * self._transfer.T
        if unselected == "floating":
            return volts * self._pairwise()
        raise DeviceError(f"unselected is {unselected!r}: choose 'grounded' or 'floating'")

    def _pairwise(self) -> Floats:
        """Return the conductance in S between each row and each column with all other terminals open, (rows, cols)."""
        # The Schur complement that removes all terminals but r and c from Y is y * [[1, -1], [-1, 1]], where 1/y is the
        # effective resistance Z_rr + Z_cc - 2 Z_rc of any generalised inverse Z of Y: one inversion serves all cells.
        # Y is singular (a common voltage drives no current), once for each part of the network that is connected.
        # Adding a constant within each part makes it regular and changes no effective resistance there.
        Y = self.admittance
        part = _parts(self._transfer > OPEN * self._transfer.max())
        together = part[:, None] == part[None, :]
        weight = np.trace(Y) or 1.0
        Z = np.linalg.inv(np.where(together, Y + weight / len(Y) / together.sum(axis=1), 0.0))
        diagonal = np.diag(Z)
        ohm = (diagonal[:, None] + diagonal[None, :] - 2.0 * Z)[: self.rows, self.rows :]
        joined = together[: self.rows, self.rows :]
        return np.divide(1.0, ohm, out=np.zeros_like(ohm), where=joined)


def _reduce(G: Floats, row_ohm: float, col_ohm: float) -> tuple[Floats, Floats, Floats]:
    """Return the admittance blocks in S: row to row, column from row (cols, rows), column to column."""
    # The array is built downwards, one row at a time. So far it is a network with the terminals of the rows that it has
    # and the lower ends of the columns: row currents = among @ u - transfer.T @ v, column currents (out) =
    # transfer @ u - ends @ v. Two steps repeat, and neither divides by a resistance nor subtracts near-equal numbers:
    # 1. Attach row i. Cells j and k of a row share min(j, k) + 1 segments of its wire, so its currents for the voltages
    #    w across "row terminal to column" are K w with K = (1/g + row_ohm * shared)^-1 = (1 + row_ohm g shared)^-1 g.
    # 2. Lengthen each column by a segment: eliminating the old ends leaves ends' = P ends, transfer' = P transfer and
    #    among' = among - col_ohm transfer.T P transfer with P = (1 + col_ohm ends)^-1.
    # This is Gaussian elimination of the nodal equations, a block (row) at a time.
    rows, cols = G.shape
    identity = np.eye(cols)
    order = np.arange(cols)
    shared = np.minimum(order[:, None], order[None, :]) + 1.0
    among, transfer, ends = np.zeros((rows, rows)), np.zeros((cols, rows)), np.zeros((cols, cols))
    for i, g in enumerate(G):
        K = _symmetric(np.linalg.solve(identity + row_ohm * g[:, None] * shared, np.diag(g))) if row_ohm else np.diag(g)
        ends += K
        transfer[:, i] = K.sum(axis=1)
        among[i, i] = K.sum()
        if not col_ohm:
            continue
        old = transfer[:, : i + 1]
        new = np.linalg.solve(identity + col_ohm * ends, np.hstack([ends, old]))
        among[: i + 1, : i + 1] -= col_ohm * (old.T @ new[:, cols:])
        ends = _symmetric(new[:, :cols])
        transfer[:, : i + 1] = new[:, cols:]
    return among, transfer, ends


def _parts(linked: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return a label of the connected part of each terminal, rows first, for `linked` (cols, rows)."""
    cols, rows = linked.shape
    of_row, of_col = np.arange(rows), rows + np.arange(cols)
    while True:
        new_col = np.minimum(of_col, np.where(linked, of_row[None, :], rows + cols).min(axis=1))
        new_row = np.minimum(of_row, np.where(linked, new_col[:, None], rows + cols).min(axis=0))
        if (new_row == of_row).all() and (new_col == of_col).all():
            return np.concatenate([of_row, of_col]).astype(np.int64)
        of_row, of_col = new_row, new_col


def _symmetric(matrix: NDArray[Any]) -> Floats:
    """Return the mean of a matrix and its transpose: what rounding made different."""
    return np.asarray(0.5 * (matrix + matrix.T), dtype=np.float64)


def _array(values: ArrayLike, name: str, ndim: int, last: int | None = None) -> Floats:
    """Return `values` as finite floats with `ndim` axes, the last one of length `last`."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != ndim or (last is not None and array.shape[-1] != last):
        wanted = f"{ndim} axes" if last is None else f"{ndim} axes, the last of length {last}"
        raise DeviceError(f"{name} of shape {array.shape}: give an array with {wanted}")
    if not np.isfinite(array).all():
        raise DeviceError(f"{name} hold NaN or infinite values: give finite numbers in SI units")
    return array


def _ohm(value: float, name: str) -> float:
    """Return a segment resistance, refused unless it is finite and 0 or more."""
    ohm = float(value)
    if not 0.0 <= ohm < np.inf:
        raise DeviceError(f"{name} is {value!r}: give a segment resistance in ohm, 0 or more and finite")
    return ohm
