"""The command port: what the session hands to the command engine, and takes from it.

A command waits while `valid` is high; its fields stand still until the engine says `taken` for one clock. It then reads
the command's bytes, writes those of the reply, and says `finish` for one clock with the reply's `reply_length`; behind
it the next command may be valid. `aborted` tells it to execute nothing and to answer that SAFE came first.

Both memories are rings: addresses wrap at their size. `read_data` holds the byte that `read_address` asked for one
clock before, where `read_valid` is high; where it is low (a single-port memory was written to), the engine asks again.
A write always succeeds.

`taken` counts in a clock in which `valid` is high alone; `valid` may fall before that, where SAFE or OPEN comes.

`safe` is high while a SAFE waits, and falls in the clock after `at_rest`.
The engine then brings the array to rest: it stops the command in execution where
it can, or lets it end with `finish`; once nothing moves it says `at_rest` for one clock. With `at_rest`, `stopped` says
that the command in execution was stopped: its reply (ABORTED) is written, `reply_length` its length, and no `finish`
follows. `progress` is how far that command came, and stays until the next one is taken. No command is handed out while
`safe` is high.
"""

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from firmware.parameters import Parameters


def receive_bytes(parameters: Parameters) -> int:
    """Return the bytes of the receive ring: what is accepted, and one frame that is not yet."""
    return 2 * parameters.receive_budget


class CommandPort(wiring.Signature):
    """The port as the session sees it; the engine has it flipped."""

    def __init__(self, parameters: Parameters) -> None:
        """Make the signature for budgets of this size."""
        receive = bits_for(receive_bytes(parameters) - 1)
        reply = bits_for(parameters.reply_budget - 1)
        super().__init__(
            {
                "valid": Out(1),
                "taken": In(1),
                "start": Out(receive),  # address of the command's first byte
                "length": Out(bits_for(parameters.largest_frame)),  # bytes of the encoded command
                "reserve": Out(bits_for(parameters.reply_budget)),  # bytes that the reply may take
                "aborted": Out(1),
                "reply_start": Out(reply),  # address of the reply's first byte
                "finish": In(1),
                "reply_length": In(bits_for(parameters.reply_budget)),
                "progress": In(32),
                "safe": Out(1),
                "at_rest": In(1),
                "stopped": In(1),
                "read_address": In(receive),
                "read_data": Out(8),
                "read_valid": Out(1),
                "write_address": In(reply),
                "write_data": In(8),
                "write_en": In(1),
                "bad_frames": Out(16),  # frames that were dropped, saturating
            }
        )
