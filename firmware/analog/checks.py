"""What the tables of a board file must agree on with each other, with the parts and with the array's cells."""

from collections.abc import Mapping, Sequence

from firmware.analog.limits import Limiter, Limits, Times
from firmware.analog.pulses import Pulse
from firmware.analog.sensing import Sense
from firmware.analog.transfer import Transfer, exact, ticks_down
from firmware.analog.wiring import Adc, Chain, Line, Parts
from firmware.errors import BoardFileError
from hwctl.devices.chip import Scales
from hwctl.devices.device import Device
from hwctl.protocol.codes import Polarity
from hwctl.protocol.replies import NOT_HELD

MOST_TICKS = 0xFFFFFFFF  # a width on the wire has 32 bits


def check_sides(rows: Sequence[Line], cols: Sequence[Line]) -> None:
    """Raise BoardFileError where a code is not the same voltage on rows and columns: the wire has one scale."""
    row, col = rows[0].transfer.step, cols[0].transfer.step
    if row != col:
        raise BoardFileError(
            f"lines.col: a code is {float(col):.6g} V, and {float(row):.6g} V on rows; give both sides the same step "
            "by volts_per_volt, reference_V and bits of their DACs"
        )


def sensing_adc(lines: Sequence[Line], adcs: Mapping[str, Adc]) -> Adc:
    """Return one of the ADCs that sense lines. Raises BoardFileError where they differ in what a code is."""
    used = [adcs[line.adc.part] for line in lines if line.adc is not None]
    for adc in used:
        if (adc.lsb, adc.part.bits) != (used[0].lsb, used[0].part.bits):
            raise BoardFileError(
                f"adc '{adc.name}': a code is {float(adc.lsb):.6g} V, and {float(used[0].lsb):.6g} V of "
                f"'{used[0].name}'; give all that sense lines one reference_V and span"
            )
    return used[0]


def check_reach(absolute: Limits, lines: Mapping[str, Sequence[Line]], clock: float) -> None:
    """Raise BoardFileError where an absolute limit is above what DACs and output stages deliver."""
    drives = {
        "amplitude_V": ("row", "col"),
        "form_amplitude_V": ("row", "col"),
        "read_V": ("row", "col"),
        "gate_V": ("gate",),
    }
    for key, value in absolute.items():
        for side in drives.get(key, ()):
            most, name = min((line.transfer.volts[1], f"{line.side} {line.index}") for line in lines[side])
            if exact(value) > most:
                raise BoardFileError(
                    f"absolute.{key} = {value:g} is more than the DAC and output stage of {name} deliver, "
                    f"{float(most):.6g} V; state what the board can do, or correct lines.{side}"
                )
        if key.endswith("width_s") and ticks_down(value, clock) > MOST_TICKS:
            raise BoardFileError(f"absolute.{key} = {value:g} is more than {MOST_TICKS} clock ticks; lower it")


def check_read(sense: Sense, limits: Limits, device: Device, row: Transfer, gate: Transfer | None) -> None:
    """Raise BoardFileError where reads would move cells, or cannot tell the device's conductances."""
    if limits.read > device.max_read_voltage:
        raise BoardFileError(
            f"limits.read_V = {limits.read:g} would move cells: {device.reference} takes at most "
            f"{device.max_read_voltage:g} V; lower it"
        )
    _one_code("sense.read_V", sense.read, "limits.read_V", limits.read, row)
    if gate is not None and sense.gate is not None and limits.gate is not None:
        _one_code("sense.gate_V", sense.gate, "limits.gate_V", limits.gate, gate)
    range_, wanted = sense.least_sensitive_read, device.g_max * sense.read
    if sense.highest_current(range_) < exact(wanted):
        raise BoardFileError(
            f"sense.tia_ohm: {device.reference} carries {wanted:.3g} A at {sense.read:g} V, {range_.ohm:g} ohm tells "
            f"{float(sense.highest_current(range_)):.3g} A; lower them, READ takes down to a sixteenth of the first"
        )


def _one_code(key: str, volts: float, limit_key: str, limit: float, line: Transfer) -> None:
    """Refuse a voltage that is below one code, or whose nearest code is above its limit."""
    if volts > limit:
        raise BoardFileError(f"{key} = {volts:g} is above {limit_key} = {limit:g}; lower it")
    if not 1 <= line.steps_of(volts) <= line.steps_within(limit):
        raise BoardFileError(
            f"{key} = {volts:g}: the nearest code puts {float(line.steps_of(volts) * line.step):.6g} V on a line, "
            f"which is 0 or above {limit_key} = {limit:g}; change one"
        )


def check_times(times: Times, parts: Parts) -> None:
    """Raise BoardFileError where a wait is shorter than what a part's datasheet says."""
    for dac in parts.dacs.values():
        if times.dac_settle < dac.part.settle:
            raise BoardFileError(
                f"times.dac_settle_s = {times.dac_settle:g}, but '{dac.name}' ({dac.part.name}) takes "
                f"{dac.part.settle:g} s; raise it"
            )
    for chain in parts.chains.values():
        for key, value in (("switch_settle_s", times.switch_settle), ("gate_settle_s", times.gate_settle)):
            if value is not None and value < chain.part.propagation:
                raise BoardFileError(
                    f"times.{key} = {value:g}, but '{chain.name}' ({chain.part.name}) alone takes "
                    f"{chain.part.propagation:g} s; raise it"
                )


def check_timing(
    timed_by: str, lines: Sequence[Line], parts: Parts, pulses: Mapping[Polarity, Pulse], clock: float
) -> None:
    """Raise BoardFileError where the drive switches cannot time pulses as the file says."""
    drives = dict.fromkeys(line.drive.part for line in lines if line.side != "gate")
    if timed_by == "latch":
        slowest = max((parts.chains[name] for name in drives), key=_shift_ticks)
        for pulse in pulses.values():
            shortest = min(level.width_ticks for level in pulse.levels)
            if shortest < slowest.shift_ticks:
                raise BoardFileError(
                    f"pulse.timed_by = 'latch', but {pulse.polarity.name} has pulses of {shortest / clock:.3g} s, and "
                    f"'{slowest.name}' takes {slowest.shift_ticks / clock:.3g} s for a pattern; time by 'enable'"
                )
        return
    for channel, key in parts.taken.items():
        if channel.part in drives and not key.startswith(("lines.row.drive", "lines.col.drive")):
            raise BoardFileError(
                f"pulse.timed_by = 'enable' switches all outputs of '{channel.part}', also {key} = '{channel}'; give "
                "drive switches chains of their own, or time by 'latch'"
            )


def _shift_ticks(chain: Chain) -> int:
    return chain.shift_ticks


def check_wire(limits: Limits, limiter: Limiter | None, clock: float) -> None:
    """Raise BoardFileError where a host could not be told a limit: what it is told must never be above it."""
    ticks = exact(clock) / exact(limits.pulse_rate)
    if ticks > MOST_TICKS:
        raise BoardFileError(
            f"limits.pulses_per_cell_per_s = {limits.pulse_rate:g} is {float(ticks):.3g} clock ticks from pulse to "
            f"pulse, {MOST_TICKS} at most; give {clock / MOST_TICKS:.2g} or more"
        )
    currents = {"limits.compliance_A": limits.compliance, "limiter.max_current_A": limiter and limiter.max_current}
    for key, amperes in currents.items():
        if amperes is not None and exact(amperes) / exact(Scales.compliance) > NOT_HELD - 1:
            most = (NOT_HELD - 1) * Scales.compliance
            raise BoardFileError(f"{key} = {amperes:g} is above {most:g}, the highest that a host can be told")


def check_limiter(limiter: Limiter, limits: Limits, form: Pulse | None, gates: Sequence[Line]) -> None:
    """Raise BoardFileError where the limiter does not keep its current, or is too slow for FORM pulses."""
    if limits.compliance is not None and limiter.max_current > limits.compliance:
        raise BoardFileError(
            f"limiter.max_current_A = {limiter.max_current:g} is above limits.compliance_A = {limits.compliance:g}; "
            "lower one, or raise the other"
        )
    if form is None:
        return
    shortest = min(level.width for level in form.levels)
    if limiter.response_time >= shortest:
        raise BoardFileError(
            f"limiter.response_time_s = {limiter.response_time:g} is not below a FORM pulse of {shortest:g} s, "
            "which it would not limit; lengthen the pulse, or fit a faster limiter"
        )
    if limiter.gate is not None:
        highest = max(level.gate for level in form.levels)
        if highest > limiter.gate:
            raise BoardFileError(
                f"pulse.form: {highest:g} V at the gate, and limiter.gate_V = {limiter.gate:g} is where "
                f"{limiter.max_current:g} A flow; lower the level's gate_V"
            )
        line, steps = gates[0].transfer, max(level.gate_steps for level in form.levels)
        if steps > line.steps_within(limiter.gate):
            raise BoardFileError(
                f"pulse.form: the code nearest to {highest:g} V puts {float(steps * line.step):.6g} V on a gate, above "
                f"limiter.gate_V = {limiter.gate:g}; lower the level's gate_V by {float(line.step):.3g} V"
            )
    if limiter.series is not None and limits.form_amplitude is not None:
        most = exact(limits.form_amplitude) / exact(limiter.series)
        if most > exact(limiter.max_current):
            raise BoardFileError(
                f"limiter.max_current_A = {limiter.max_current:g}, but limits.form_amplitude_V across series_ohm is "
                f"{float(most):.3g} A; raise series_ohm, or state that current"
            )
