"""What stands at the switches before gateware runs, and the resistors that hold it there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from firmware.analog.tables import Table
from firmware.analog.wiring import Chain, Line
from firmware.errors import BoardFileError

MOMENTS = ("at_power_on", "unconfigured")
#: State of each class of switches at rest.
REST: Mapping[str, str] = {"drive": "open", "gate": "open", "ground": "closed"}
GATES = "lines.gate"  # pins that resistors may be on, beside CHAIN.enable and CHAIN.outputs


@dataclass(frozen=True)
class PowerUp:
    """States of the switches by class, "open" or "closed", and external resistors by pin."""

    at_power_on: Mapping[str, str]
    """Supplies are on, registers hold anything."""
    unconfigured: Mapping[str, str]
    """The FPGA has no bitstream, its pins float."""
    pull_downs: tuple[str, ...]
    pull_ups: tuple[str, ...]


def classes_of(lines: Sequence[Line], chains: Mapping[str, Chain]) -> dict[str, list[Chain]]:
    """Return the chains of each class of switches: drive (rows, columns), gate, ground."""
    found: dict[str, dict[str, Chain]] = {name: {} for name in REST}
    for line in lines:
        drives = "gate" if line.side == "gate" else "drive"
        found[drives][line.drive.part] = chains[line.drive.part]
        if line.ground is not None:
            found["ground"][line.ground.part] = chains[line.ground.part]
    return {name: list(several.values()) for name, several in found.items() if several}


def power_up_of(table: Table, lines: Sequence[Line], chains: Mapping[str, Chain]) -> PowerUp:
    """Return [power_up]. Raises BoardFileError where an output is not at rest, or floats without a resistor."""
    classes = classes_of(lines, chains)
    states = {
        moment: {name: inner.choice(name, ("open", "closed", "floating")) for name in classes}
        for moment in MOMENTS
        for inner in [table.table(moment, tuple(classes))]
    }
    found = PowerUp(
        states["at_power_on"],
        states["unconfigured"],
        _pins(table, "pull_downs", chains),
        _pins(table, "pull_ups", chains),
    )
    for pin in found.pull_downs:
        if pin in found.pull_ups:
            raise BoardFileError(f"power_up: '{pin}' is in pull_downs and in pull_ups; take it out of one")
    for moment in MOMENTS:
        for name, state in states[moment].items():
            _check_class(f"power_up.{moment}.{name}", name, state, classes[name], found)
    gates = [line for line in lines if line.side == "gate"]
    if gates and gates[0].ground is None and GATES not in found.pull_downs:
        raise BoardFileError(
            f"lines.gate has no ground switches, and power_up.pull_downs no '{GATES}': gates float; give one of both"
        )
    return found


def _pins(table: Table, key: str, chains: Mapping[str, Chain]) -> tuple[str, ...]:
    known = [
        f"{name}.{pin}"
        for name, chain in chains.items()
        for pin in (("enable", "outputs") if chain.part.shifted else ("outputs",))
    ]
    if key == "pull_downs":
        known.append(GATES)
    return table.choices(key, known) if table.raw(key) != [] else ()


def _check_class(where: str, name: str, state: str, chains: Sequence[Chain], found: PowerUp) -> None:
    if state == "floating":
        pins = ", ".join(f"'{chain.name}.outputs'" for chain in chains)
        raise BoardFileError(f"{where} = 'floating' is no rest; fit resistors, and name them in pull_downs: {pins}")
    if state != REST[name]:
        raise BoardFileError(f"{where} = '{state}' is not at rest, which is '{REST[name]}'; change the board")
    for chain in chains:
        outputs, enable = f"{chain.name}.outputs", f"{chain.name}.enable"
        if chain.part.shifted and enable not in found.pull_ups:
            raise BoardFileError(
                f"{where} = '{state}', but outputs of a {chain.part.name} are undefined at power-up: "
                f"fit a pull-up on its /OE, and name '{enable}' in power_up.pull_ups"
            )
        if outputs not in found.pull_downs + found.pull_ups:
            raise BoardFileError(
                f"{where} = '{state}', but '{outputs}' float while "
                f"{'/OE is high' if chain.part.shifted else 'the FPGA is not configured'}; fit resistors, and name "
                f"them in power_up.{'pull_downs' if (state == 'open') == chain.closes_high else 'pull_ups'}"
            )
        high = outputs in found.pull_ups
        if (high == chain.closes_high) != (state == "closed"):
            kind = "pull-up" if high else "pull-down"
            does = "closes" if high == chain.closes_high else "opens"
            raise BoardFileError(f"{where} = '{state}', but the {kind} on '{outputs}' {does} its switches; change one")
