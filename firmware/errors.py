"""What goes wrong when gateware is built or simulated."""

from hwctl.errors import BadInput


class BuildError(BadInput):
    """A tool is missing or failed, or a build is asked for that cannot be made."""


class BoardFileError(BuildError):
    """A board file is damaged, contradicts itself, or asks for what its parts or the array cannot take."""
