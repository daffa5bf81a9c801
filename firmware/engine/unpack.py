"""Takes a command apart: header, options, numbers, arrays. What does not fit its form is refused here."""

from collections.abc import Callable

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from firmware.engine.forms import ArrayForm, Dim, Form, field_of, form_of, parts, words_of
from firmware.engine.multiply import Multiplier
from firmware.engine.rules import MALFORMED
from hwctl.protocol import codes
from hwctl.protocol.cells import WORDS_PER_CELL
from hwctl.protocol.codec import COMMANDS, HEADER
from hwctl.protocol.codes import OPTION_CRITICAL, Option, Refusal
from hwctl.protocol.commands import Command, ConfigureLimits, Pulse

LINE_BITS = 13  # 0 to 4096
LIST_BITS = 21  # up to 2**20
OPTION_BYTES = 4  # code, flags, length
ARRAYS = 3


class Unpacker(wiring.Component):
    """`start` with address and length of a command; once `done`, `refusal` is 0 or the outputs say what it is.

    Outputs stand until the next start. `left`: bytes of the body that are not looked at yet; `batch`: vectors, events
    or listed cells.
    """

    def __init__(self, kinds: list[type[Command]], address_bits: int, length_bits: int) -> None:
        """Know the commands of `kinds`; the others of the protocol are unsupported."""
        self.forms: dict[int, Form] = {kind.op: form_of(kind) for kind in kinds}
        self.fixed_bytes = max(form.fixed for form in self.forms.values())
        super().__init__(
            {
                "start": In(1),
                "address": In(address_bits),
                "length": In(length_bits),
                "done": Out(1),
                "refusal": Out(4),
                "op": Out(8),
                "fixed": Out(8 * self.fixed_bytes),
                "rows": Out(LINE_BITS),
                "cols": Out(LINE_BITS),
                "cells": Out(2 * LINE_BITS),
                "batch": Out(LIST_BITS),
                "second_type": Out(1),  # the first array has the second of its element types
                "array0": Out(address_bits),  # address of the first element of each array
                "array1": Out(address_bits),
                "array2": Out(address_bits),
                "seek": Out(1),
                "seek_address": Out(address_bits),
                "byte": In(8),
                "valid": In(1),
                "take": Out(1),
                "position": In(address_bits),
            }
        )

    def field(self, kind: type[Command], name: str) -> Value:
        """Return a number of the command at hand."""
        return field_of(self.fixed, kind, name)

    def elaborate(self, _: object) -> Module:
        """Walk through the bytes."""
        m = Module()
        m.submodules.multiplier = self.multiplier = Multiplier(LINE_BITS, LINE_BITS)
        self.head = Signal(8 * HEADER.size)
        self.code, self.option_count, self.option_bytes, self.body_bytes = (
            self.head[8 * at : 8 * (at + size)] for at, size in ((0, 1), (1, 1), (2, 2), (4, 4))
        )
        self.at = Signal(range(max(self.fixed_bytes, HEADER.size) + 1))  # bytes of this part so far
        self.left = Signal(len(self.length))  # bytes until the end of options or body
        self.array = Signal(range(ARRAYS + 1))
        m.d.comb += self.op.eq(self.code)
        self._tables(m)
        with m.FSM():
            with m.State("IDLE"), m.If(self.start):
                m.d.comb += [self.seek.eq(1), self.seek_address.eq(self.address)]
                m.d.sync += [self.at.eq(0), self.left.eq(self.length), self.refusal.eq(0), self.batch.eq(0)]
                m.next = "HEAD"
            self._head(m)
            self._options(m)
            self._fixed(m)
            self._region(m)
            self._arrays(m)
            with m.State("DONE"):
                m.d.comb += self.done.eq(1)
                m.next = "IDLE"
        return m

    def _refuse(self, m: Module, refusal: Refusal) -> None:
        m.d.sync += self.refusal.eq(refusal)
        m.next = "DONE"

    def _into(self, m: Module, register: Signal, at: Value) -> None:
        """Put the byte at hand into a register, byte number `at`."""
        with m.Switch(at):
            for n in range(len(register) // 8):
                with m.Case(n):
                    m.d.sync += register[8 * n : 8 * n + 8].eq(self.byte)

    def _take(self, m: Module) -> None:
        m.d.comb += self.take.eq(1)
        m.d.sync += [self.at.eq(self.at + 1), self.left.eq(self.left - 1)]

    # -- header and options --------------------------------------------------------------------------------------------

    def _head(self, m: Module) -> None:
        with m.State("HEAD"):
            with m.If(self.length < HEADER.size):
                self._refuse(m, Refusal.MALFORMED)
            with m.Elif(self.at == HEADER.size):
                m.next = "HEAD CHECK"
            with m.Elif(self.valid):
                self._into(m, self.head, self.at)
                self._take(m)
        with m.State("HEAD CHECK"):
            m.d.sync += [self.left.eq(self.option_bytes), self.at.eq(0)]
            m.next = "OPTION"
            with m.If(self.length != HEADER.size + self.option_bytes + self.body_bytes):
                self._refuse(m, Refusal.MALFORMED)
            with m.Switch(self.code):
                with m.Case(*self._codes()):
                    pass
                with m.Default():
                    self._refuse(m, Refusal.MALFORMED)

    def _codes(self) -> list[int]:
        """Return the codes of commands; to an emulated array CONFIGURE_LIMITS is none, as before there was one."""
        return [code for code in COMMANDS if code != ConfigureLimits.op or code in self.forms]

    def _options(self, m: Module) -> None:
        option = Signal(8 * OPTION_BYTES)
        count = Signal(8)
        code, flags, length = option[:8], option[8:16], option[16:]
        with m.State("OPTION"):
            with m.If(count == self.option_count):
                m.d.sync += [count.eq(0), self.left.eq(self.body_bytes), self.at.eq(0)]
                m.next = "FIXED"
                with m.If(self.left != 0):
                    self._refuse(m, Refusal.MALFORMED)
            with m.Elif(self.left < OPTION_BYTES):
                m.d.sync += count.eq(0)
                self._refuse(m, Refusal.MALFORMED)
            with m.Else():
                m.d.sync += self.at.eq(0)
                m.next = "OPTION HEAD"
        with m.State("OPTION HEAD"):
            with m.If(self.at == OPTION_BYTES):
                m.next = "OPTION CHECK"
            with m.Elif(self.valid):
                self._into(m, option, self.at)
                self._take(m)
        with m.State("OPTION CHECK"):
            m.d.comb += [self.seek.eq(1), self.seek_address.eq(self.position + length)]
            m.d.sync += [count.eq(count + 1), self.left.eq(self.left - length)]
            m.next = "OPTION"
            with m.If(length > self.left):
                m.d.sync += count.eq(0)
                self._refuse(m, Refusal.MALFORMED)
            with m.Elif((flags & OPTION_CRITICAL != 0) & ~code.matches(*map(int, Option))):
                m.d.sync += count.eq(0)
                self._refuse(m, Refusal.UNSUPPORTED)

    # -- forms ---------------------------------------------------------------------------------------------------------

    def _tables(self, m: Module) -> None:
        """Look up what the command and the array at hand have to be."""
        self.fixed_size = self._of_form(m, len(self.at), lambda form: form.fixed)
        self.has_region = self._of_form(m, 1, lambda form: form.has_region)
        self.arrays = self._of_form(m, len(self.array), lambda form: len(form.arrays))
        self.first_type = self._of_array(m, 8, lambda array: array.types[0])
        self.other_type = self._of_array(m, 8, lambda array: array.types[-1])
        self.log2_bytes = self._of_array(m, 2, lambda array: array.log2_bytes)
        self.dims = self._of_array(m, 2, lambda array: len(array.dims))
        self.dim_kinds = [self._of_array(m, 4, lambda array, n=n: _dim(array, n)) for n in range(2)]

    def _of_form(self, m: Module, width: int, value: Callable[[Form], int]) -> Signal:
        """Return a signal that is value(form) for the form of the command at hand."""
        found = Signal(width)
        with m.Switch(self.code):
            for op, form in self.forms.items():
                with m.Case(int(op)):
                    m.d.comb += found.eq(value(form))
        return found

    def _of_array(self, m: Module, width: int, value: Callable[[ArrayForm], int]) -> Signal:
        """Return a signal that is value(array) for the array at hand."""
        found = Signal(width)
        with m.Switch(Cat(self.array, self.code)):
            for op, form in self.forms.items():
                for n, array in enumerate(form.arrays):
                    with m.Case(n | int(op) << len(self.array)):
                        m.d.comb += found.eq(value(array))
        return found

    # -- numbers -------------------------------------------------------------------------------------------------------

    def _fixed(self, m: Module) -> None:
        with m.State("FIXED"):
            with m.If(~self.code.matches(*map(int, self.forms))):
                self._refuse(m, Refusal.UNSUPPORTED)
            with m.Elif(self.at == self.fixed_size):
                m.d.sync += self.array.eq(0)
                m.next = "CHECK"
                with m.If(self.has_region):
                    m.next = "REGION"
            with m.Elif(self.left == 0):
                self._refuse(m, Refusal.MALFORMED)
            with m.Elif(self.valid):
                self._into(m, self.fixed, self.at)
                self._take(m)
        with m.State("CHECK"):
            m.next = "ARRAY"
            with m.Switch(self.code):
                for op, form in self.forms.items():
                    rule = MALFORMED.get(form.kind)
                    if rule is not None:
                        with m.Case(int(op)), m.If(rule(lambda name, form=form: self.field(form.kind, name))):
                            self._refuse(m, Refusal.MALFORMED)

    def _region(self, m: Module) -> None:
        row0, row1, col0, col1 = parts(self.fixed[:64], 16)
        multiplier = self.multiplier
        rows, cols = row1 - row0, col1 - col0
        wrong = (row0 >= row1) | (row1 > codes.MAX_LINES) | (col0 >= col1) | (col1 > codes.MAX_LINES)
        with m.State("REGION"):
            m.d.comb += [multiplier.a.eq(rows), multiplier.b.eq(cols), multiplier.start.eq(1)]
            m.d.sync += [self.rows.eq(rows), self.cols.eq(cols)]
            m.next = "CELLS"
            with m.If(wrong):
                self._refuse(m, Refusal.MALFORMED)
        with m.State("CELLS"), m.If(~multiplier.busy):
            m.d.sync += self.cells.eq(multiplier.product)
            m.next = "CHECK"
            with m.If(multiplier.product > codes.MAX_CELLS):
                self._refuse(m, Refusal.MALFORMED)

    # -- arrays --------------------------------------------------------------------------------------------------------

    def _arrays(self, m: Module) -> None:
        first_type, dims, dim_kinds = self.first_type, self.dims, self.dim_kinds
        size = Signal(LIST_BITS + 4)  # elements, then bytes of the array
        dim, second = Signal(32), Signal()
        element = Signal(8)
        with m.State("ARRAY"):
            m.d.sync += [self.at.eq(0), second.eq(0)]
            with m.If(self.array == self.arrays):
                m.next = "DONE"
                with m.If(self.left != 0):
                    self._refuse(m, Refusal.MALFORMED)
            with m.Elif(self.left < Mux(dims == 2, 9, 5)):
                self._refuse(m, Refusal.MALFORMED)
            with m.Elif(self.valid):
                m.d.comb += self.take.eq(1)
                m.d.sync += [element.eq(self.byte), self.left.eq(self.left - 1)]
                m.next = "DIM"
                with m.If((self.byte != first_type) & (self.byte != self.other_type)):
                    self._refuse(m, Refusal.MALFORMED)
        with m.State("DIM"):
            with m.If(self.at == 4):
                m.next = "DIM CHECK"
            with m.Elif(self.valid):
                self._into(m, dim, self.at)
                self._take(m)
        self._dim_check(m, dim, second, Mux(second, dim_kinds[1], dim_kinds[0]), dims)
        with m.State("SIZE"):
            self._size(m, size, dim_kinds, dim, dims)
        with m.State("PRODUCT"), m.If(~self.multiplier.busy):
            m.d.sync += size.eq(self.multiplier.product)
            m.next = "BYTES"
            with m.If(self.multiplier.product >> LIST_BITS != 0):
                self._refuse(m, Refusal.MALFORMED)
        with m.State("BYTES"):
            other = (element != first_type) & (self.array == 0)
            m.d.sync += size.eq(size << Mux(other, self.log2_bytes + 1, self.log2_bytes))
            with m.If(self.array == 0):
                m.d.sync += self.second_type.eq(other)
            m.next = "SKIP"
        with m.State("SKIP"):
            m.d.comb += [self.seek.eq(1), self.seek_address.eq(self.position + size)]
            m.d.sync += [self.left.eq(self.left - size), self.array.eq(self.array + 1)]
            with m.Switch(self.array):
                for n, address in enumerate((self.array0, self.array1, self.array2)):
                    with m.Case(n):
                        m.d.sync += address.eq(self.position)
            m.next = "ARRAY"
            with m.If(size > self.left):
                self._refuse(m, Refusal.MALFORMED)

    def _dim_check(self, m: Module, dim: Signal, second: Signal, kind: Value, dims: Value) -> None:
        shapes = Array([1, self.rows, self.cols, self.cells])[self.field(Pulse, "per")[:2]]
        again = (self.array != 0) & (dim != self.batch)
        with m.State("DIM CHECK"):
            m.d.sync += [second.eq(1), self.at.eq(0)]
            m.next = "SIZE"
            with m.If((dims == 2) & ~second):
                m.next = "DIM"
            with m.Switch(kind):
                for which, value in (
                    (Dim.ROWS, self.rows), (Dim.COLS, self.cols), (Dim.CELLS, self.cells), (Dim.SHAPES, shapes),
                    (Dim.WORDS, WORDS_PER_CELL), (Dim.CURVE, codes.CURVE_ENTRIES),
                ):  # fmt: skip
                    with m.Case(which), m.If(dim != value):
                        self._refuse(m, Refusal.MALFORMED)
                for which, most in ((Dim.BATCH, codes.MAX_BATCH), (Dim.LIST, codes.MAX_CELLS)):
                    with m.Case(which):
                        m.d.sync += self.batch.eq(dim)
                        with m.If((dim == 0) | (dim > most) | again):
                            self._refuse(m, Refusal.MALFORMED)
                with m.Case(Dim.FREE):
                    m.d.sync += self.batch.eq(dim)
                    with m.If(dim >> LIST_BITS != 0):
                        self._refuse(m, Refusal.MALFORMED)

    def _size(self, m: Module, size: Signal, kinds: list[Signal], dim: Signal, dims: Value) -> None:
        """Count the elements; the last dimension stands in `dim`."""
        multiplier = self.multiplier
        m.d.sync += size.eq(dim)
        m.next = "BYTES"
        with m.If(dims == 2), m.Switch(kinds[0]):
            with m.Case(Dim.ROWS):
                m.d.sync += size.eq(self.cells)
            with m.Case(Dim.CELLS):
                m.d.sync += size.eq(words_of(self.cells))
            with m.Case(Dim.BATCH):
                m.d.comb += [multiplier.a.eq(self.batch), multiplier.b.eq(dim), multiplier.start.eq(1)]
                m.next = "PRODUCT"


def _dim(array: ArrayForm, n: int) -> int:
    return int(array.dims[n]) if n < len(array.dims) else 0
