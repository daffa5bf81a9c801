"""WRITE_VERIFY and FORM of a region, on a board that has them: in parts that fit its budgets."""

from contextlib import nullcontext
from dataclasses import replace

import numpy as np

from hwctl.crossbar.arguments import within
from hwctl.crossbar.hostcounts import HostCounts
from hwctl.crossbar.port import Port
from hwctl.crossbar.results import FormResult, VerifyResult
from hwctl.protocol import commands, replies


def write_verify(port: Port, command: commands.WriteVerify) -> VerifyResult:
    """Let the board bring each cell of a region to its target."""
    region = command.region
    done = np.zeros((5, *region.shape), np.int64)
    for part in port.parts(region, bytes_per_cell=9):
        place = within(part, region)
        of_part = replace(command, region=part, targets=np.ascontiguousarray(command.targets[place]))
        reply = port.ask(of_part, replies.Verified)
        done[:, place[0], place[1]] = (
            reply.reached, reply.readings, reply.set_pulses, reply.reset_pulses, reply.reads,
        )  # fmt: skip
    return VerifyResult(done[0].astype(np.bool_), port.units.conductances(done[1]), done[2], done[3], done[4])


def form(port: Port, command: commands.Form, counts: HostCounts | None) -> FormResult:
    """Let the board form the unformed cells of a region. counts: those that the host keeps, if it does."""
    region = command.region
    done = np.zeros((3, *region.shape), np.int64)
    for part in port.parts(region, bytes_per_cell=5):
        of_part = replace(command, region=part)
        with nullcontext() if counts is None else counts.counting(of_part):
            reply = port.ask(of_part, replies.Formed)
        if counts is not None:
            counts.give_back(part, command.attempts - reply.pulses.astype(np.int64))
        place = within(part, region)
        done[:, place[0], place[1]] = reply.formed, reply.readings, reply.pulses
    return FormResult(done[0].astype(np.bool_), port.units.conductances(done[1]), done[2])
