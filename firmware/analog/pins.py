"""The pins of a board file's parts, as the gateware has them."""

from collections.abc import Mapping

from amaranth.lib.wiring import In, Member, Out

from firmware.analog.boardfile import BoardFile

INPUTS = ("adc_sdo", "dac_sdo")
"""Pins that parts drive."""


def pins_of(board: BoardFile) -> Mapping[str, Member]:
    """Return the members of a signature: what is there once a part has a bit a part, in the order of the file.

    `enable_n`, `stcp`, `ds` and `shcp` of chains of registers; all DACs share `dac_sclk` and `dac_sdi`, all ADCs all
    but `adc_sdo`. `dac_sdo` is there where DACs are read back, `switch_pins` where switches are on pins: those of the
    first such part lowest. Levels are those at power-up: nothing selected, switches not enabled.
    """
    chains = max(len(board.registers), 1)
    answers = {"dac_sdo": In(len(board.dacs))} if board.readback else {}
    on_pins = sum(chain.outputs for chain in board.switch_pins)
    switches = {"switch_pins": Out(on_pins, init=board.pins_at_rest)} if on_pins else {}
    return {
        "dac_sclk": Out(1),
        "dac_sdi": Out(1),
        "dac_sync_n": Out(len(board.dacs), init=-1),
        "adc_sclk": Out(1),
        "adc_sdi": Out(1),
        "adc_cs_n": Out(1, init=1),
        "adc_sdo": In(len(board.adcs)),
        **answers,
        "shcp": Out(chains),
        "ds": Out(chains),
        "stcp": Out(chains, init=-1),
        "enable_n": Out(chains, init=-1),
        **switches,
        "range_pins": Out(max(board.sense.range_pins, 1)),
    }


def driven_pins(board: BoardFile) -> list[str]:
    """Return the names of the pins that the gateware drives."""
    return [name for name in pins_of(board) if name not in INPUTS]


def answering_pins(board: BoardFile) -> list[str]:
    """Return the names of the pins that parts drive."""
    return [name for name in pins_of(board) if name in INPUTS]
