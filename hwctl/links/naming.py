"""What commands are called in messages."""

from hwctl.protocol.commands import Command, PulseSparse


def command_name(command: Command) -> str:
    """Return a command's name and region for messages."""
    if isinstance(command, PulseSparse) and command.counts.size:
        rows, cols = (f"{lines.min()}-{lines.max()}" for lines in (command.rows, command.cols))
        return f"{command.op.name} {command.counts.size} cells in rows {rows}, columns {cols}"
    region = getattr(command, "region", None)
    place = "" if region is None else f" rows {region.row0}-{region.row1 - 1}, columns {region.col0}-{region.col1 - 1}"
    return command.op.name + place
