"""Walks over the cells of a region."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from firmware.array.issue import Issue, operand_depth
from firmware.parameters import Parameters


class Walker(wiring.Component):
    """`step` goes on by a cell, or by a column group, along a row and then to the next; `down`: along a group first.

    `again` goes back to the first cell of the row, `skip` goes to the first of the next. `spot` counts what was passed
    since the row (with `down`: the group) began, in column groups and rows; with `keep` it runs on from row to row.
    """

    def __init__(self, parameters: Parameters) -> None:
        """Make the ports."""
        self.parameters = parameters
        self._lane_bits = parameters.lanes.bit_length() - 1
        rows, cols = parameters.row_bits, parameters.col_bits
        super().__init__(
            {
                "row0": In(rows),
                "row1": In(rows),
                "col0": In(cols),
                "col1": In(cols),
                "load": In(1),  # go to the first cell; the region is the one of the ports in the clocks after, too
                "step": In(1),
                "again": In(1),
                "skip": In(1),
                "by_group": In(1),
                "down": In(1),
                "keep": In(1),
                "row": Out(rows),
                "col": Out(cols),
                "spot": Out(range(operand_depth(parameters))),
                "mask": Out(parameters.lanes),
                "address": Out(Issue(parameters).address.shape()),
                "inner_last": Out(1),
                "row_last": Out(1),
                "last": Out(1),
            }
        )

    def elaborate(self, _: object) -> Module:
        """Count."""
        m = Module()
        bits = self._lane_bits
        group, last_col = self.col[bits:], (self.col1 - 1)[: len(self.col)]
        start, spot_ends = Signal.like(self.spot), Signal()  # spot of the first cell of the row
        row_last, col_last = self.row_last, Signal()
        m.d.comb += [
            row_last.eq(self.row + 1 == self.row1),
            col_last.eq(Mux(self.by_group, group == last_col[bits:], self.col == last_col)),
            self.inner_last.eq(Mux(self.down, row_last, col_last)),
            self.last.eq(row_last & col_last),
            spot_ends.eq(self.by_group | self.col[:bits].all() if bits else 1),
        ]
        self._address(m, group)
        self._masks(m, last_col)
        following = Mux(self.by_group, Cat(Const(0, bits), group + 1), self.col + 1)
        with m.If(self.load):
            m.d.sync += [self.row.eq(self.row0), self.col.eq(self.col0), self.spot.eq(0), start.eq(0)]
        with m.Elif(self.again):
            m.d.sync += [self.col.eq(self.col0), self.spot.eq(start)]
        with m.Elif(self.skip):
            m.d.sync += [self.row.eq(self.row + 1), self.col.eq(self.col0), self.spot.eq(0)]
        with m.Elif(self.step):
            with m.If(~self.inner_last):
                m.d.sync += self.spot.eq(self.spot + spot_ends)
            with m.Else():
                begin = Mux(self.keep, self.spot + 1, 0)
                m.d.sync += [self.spot.eq(begin), start.eq(begin)]
            with m.If(self.down):
                m.d.sync += self.row.eq(Mux(row_last, self.row0, self.row + 1))
                with m.If(row_last):
                    m.d.sync += self.col.eq(following)
            with m.Else():
                m.d.sync += self.col.eq(Mux(col_last, self.col0, following))
                with m.If(col_last):
                    m.d.sync += self.row.eq(self.row + 1)
        return m

    def _address(self, m: Module, group: Signal) -> None:
        """Return row * groups + group, without a multiplier where the number of groups is a power of two."""
        groups = self.parameters.groups
        if groups & (groups - 1) == 0:
            m.d.comb += self.address.eq(Cat(group[: groups.bit_length() - 1], self.row))
        else:
            parts = [self.row << n for n in range(groups.bit_length()) if groups >> n & 1]
            m.d.comb += self.address.eq(sum(parts[1:], parts[0]) + group)

    def _masks(self, m: Module, last_col: Signal) -> None:
        """Mark the lane of a cell, or the lanes of a group that are inside of the region."""
        bits = self._lane_bits
        if not bits:
            m.d.comb += self.mask.eq(1)
            return
        first, last = self.col[bits:] == self.col0[bits:], self.col[bits:] == last_col[bits:]
        for lane in range(self.parameters.lanes):
            inside = (~first | (lane >= self.col0[:bits])) & (~last | (lane <= last_col[:bits]))
            m.d.comb += self.mask[lane].eq(Mux(self.by_group, inside, self.col[:bits] == lane))
