"""Which numbers of a command make it malformed: the limits that `hwctl.protocol.commands` checks in `check`."""

from collections.abc import Callable

from amaranth.hdl import Value

from firmware.engine.forms import parts
from hwctl.devices import law
from hwctl.protocol import codes, commands
from hwctl.protocol.codes import HalfSelect, OuterMode, Polarity, ShapePer
from hwctl.protocol.commands import Command

Field = Callable[[str], Value]


def _no_range(value: Value, highest: int) -> Value:
    return (value > highest) & (value != codes.RANGE_AS_CONFIGURED)


def _no_ramp(ramp: Value) -> Value:
    first, last, step = parts(ramp, 8)
    return (first > last) | ((step == 0) & (first != last))


def _shape(f: Field) -> Value:
    return (f("polarity") > max(Polarity)) | (f("width") == 0) | (f("amplitude") == 0)


def _configure_read(f: Field) -> Value:
    return (f("voltage") == 0) | (f("tia_range") > codes.MAX_TIA_RANGE) | (f("half_select") > max(HalfSelect))


def _read(f: Field) -> Value:
    return (f("averages_log2") > codes.MAX_AVERAGES_LOG2) | _no_range(f("tia_range"), codes.MAX_READ_RANGE)


def _vmm(f: Field) -> Value:
    return _no_range(f("tia_range"), codes.MAX_TIA_RANGE)


def _pulse(f: Field) -> Value:
    return f("per") > max(ShapePer)


def _outer(f: Field) -> Value:
    return (f("mode") > max(OuterMode)) | (f("slots") == 0) | (f("slots") > codes.MAX_SLOTS)


def _write_verify(f: Field) -> Value:
    averages, attempts = f("averages_log2") > codes.MAX_AVERAGES_LOG2, f("attempts") > codes.MAX_ATTEMPTS
    return averages | attempts | _no_ramp(f("set_ramp")) | _no_ramp(f("reset_ramp"))


def _form(f: Field) -> Value:
    averages, attempts = f("averages_log2") > codes.MAX_AVERAGES_LOG2, f("attempts") > codes.MAX_ATTEMPTS
    return averages | attempts | _no_ramp(f("ramp"))


def _load_curve(f: Field) -> Value:
    shift = (f("shift") == 0) | (f("shift") > law.MAX_SHIFT)
    return shift | (f("polarity") > Polarity.RESET) | (f("level") > codes.MAX_LEVELS - 1)


MALFORMED: dict[type[Command], Callable[[Field], Value]] = {
    commands.ConfigureShape: _shape,
    commands.ConfigureRead: _configure_read,
    commands.Read: _read,
    commands.Vmm: _vmm,
    commands.VmmT: _vmm,
    commands.Pulse: _pulse,
    commands.Outer: _outer,
    commands.WriteVerify: _write_verify,
    commands.Form: _form,
    commands.LoadCurve: _load_curve,
}
