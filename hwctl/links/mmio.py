"""Boards in the fabric of a Zynq, through pynq: `pynq:crossbar.bit`, and `pynq:` for an overlay that is loaded.

pynq is imported where such a target is opened, nowhere else. https://pynq.readthedocs.io/en/v3.1/overlay_design_methodology
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwctl.errors import LinkClosed, TargetError
from hwctl.links.mailbox import WORDS, Bus, MailboxLink
from hwctl.links.target import Target
from hwctl.protocol.registers import RANGE, VLNV, WORD_BYTES

WORD = 0xFFFF_FFFF
READERS = 4
FEW = 4  # words whose calls are not worth a thread
INSTALL = "install it with pip install 'pynq==3.1.2', or reach the board with 'hwctl serve' on it and socket://"


class MappedBus:
    """Registers in the memory of this program, as on a PYNQ board. mmio: a `pynq.MMIO` of at least RANGE bytes."""

    def __init__(self, mmio: Any) -> None:
        """Take a mapped range."""
        self._array = mmio.array

    def read_words(self, offset: int, count: int) -> NDArray[np.uint32]:
        """Read words that follow one another, in one transfer."""
        first = offset // WORD_BYTES
        return np.array(self._array[first : first + count], WORDS)

    def write_words(self, offset: int, words: NDArray[np.uint32]) -> None:
        """Write words that follow one another, in one transfer."""
        first = offset // WORD_BYTES
        self._array[first : first + len(words)] = words

    def close(self) -> None:
        """Keep the overlay as it is: pynq holds it."""


class BlockBus:
    """Registers that a device reads and writes as blocks of bytes. mmio: as in `MappedBus`."""

    def __init__(self, mmio: Any) -> None:
        """Take a range of a device with the capability REGISTER_RW."""
        self._mmio = mmio

    def read_words(self, offset: int, count: int) -> NDArray[np.uint32]:
        """Read words that follow one another, in one call of pynq."""
        raw = self._mmio.device.read_registers(self._mmio.base_addr + offset, WORD_BYTES * count)
        return np.frombuffer(raw, WORDS)

    def write_words(self, offset: int, words: NDArray[np.uint32]) -> None:
        """Write words that follow one another, in one call of pynq."""
        self._mmio.write(offset, words.astype(WORDS).tobytes())

    def close(self) -> None:
        """Keep the overlay as it is: pynq holds it."""


class RemoteBus(BlockBus):
    """Registers at the other end of PYNQ.remote: blocks are written in one call; words are read by one call each.

    Some of these calls are under way at once, as each takes as long as the network does.
    """

    def __init__(self, mmio: Any) -> None:
        """Take a range of a remote device."""
        import grpc  # noqa: PLC0415  comes with pynq, and is needed for its error alone

        super().__init__(mmio)
        self._readers = ThreadPoolExecutor(READERS, "pynq")
        self._errors = (grpc.RpcError, RuntimeError)  # the line's, and what the server says

    def read_words(self, offset: int, count: int) -> NDArray[np.uint32]:
        """Read words that follow one another. Raises LinkClosed where the device is gone."""
        try:
            at_once = map if count <= FEW else self._readers.map
            found = list(at_once(self._mmio.read, range(offset, offset + WORD_BYTES * count, WORD_BYTES)))
        except self._errors as error:
            raise _lost(error) from None
        return np.array([word & WORD for word in found], WORDS)  # a word is an int32 in gRPC's answer

    def write_words(self, offset: int, words: NDArray[np.uint32]) -> None:
        """Write words that follow one another, in one call of pynq. Raises LinkClosed where the device is gone."""
        try:
            super().write_words(offset, words)
        except self._errors as error:
            raise _lost(error) from None

    def close(self) -> None:
        """End the threads; the overlay stays as it is."""
        self._readers.shutdown()


def _lost(error: Exception) -> LinkClosed:
    said = getattr(error, "details", error.__str__)()
    return LinkClosed(
        f"pynq: the remote device is gone: {said}", "see that its server runs, and load the overlay again"
    )


def mmio_bus(mmio: Any) -> Bus:
    """Return the way to the registers of a `pynq.MMIO` that takes the fewest calls on its device."""
    if mmio.device.has_capability("MEMORY_MAPPED"):
        return MappedBus(mmio)
    if mmio.device.has_capability("REGISTER_RW"):
        return BlockBus(mmio)
    return RemoteBus(mmio)


def open_pynq(target: Target) -> MailboxLink:
    """Open the board of an overlay. Option `core`: its name, where there are several.

    Raises TargetError where pynq, a Zynq, the bitstream, its HWH or the core is missing.
    """
    target.only("core")
    try:
        import pynq  # noqa: PLC0415  nowhere else
    except ImportError:
        raise TargetError(f"target '{target.url}': pynq is not installed; {INSTALL}") from None
    overlay = _overlay(pynq, target)
    name = _core(overlay.ip_dict, target)
    core = overlay.ip_dict[name]
    if core["addr_range"] < RANGE:
        raise TargetError(
            f"target '{target.url}': {name} has {core['addr_range']:#x} bytes of {RANGE:#x}; build it anew"
        )
    mmio = pynq.MMIO(core["phys_addr"], core["addr_range"], device=overlay.device)
    return MailboxLink(mmio_bus(mmio), target.url)


def _overlay(pynq: Any, target: Target) -> Any:
    """Load a bitstream, or take the one that is loaded."""
    try:
        device = pynq.Device.active_device
    except RuntimeError:
        raise TargetError(
            f"target '{target.url}': there is no device that pynq could use; run hwctl on a PYNQ board as root, "
            "or set PYNQ_REMOTE_DEVICES"
        ) from None
    path = target.path or device.bitfile_name
    if not path:
        raise TargetError(f"target '{target.url}': no overlay is loaded; name one: 'pynq:crossbar.bit'")
    for file, what in (
        (Path(path), "bitstream"),
        (Path(path).with_suffix(".hwh"), "HWH (it lies beside the bitstream)"),
    ):
        if not file.is_file():
            raise TargetError(
                f"target '{target.url}': there is no {what} {file}; see 'python -m firmware build pynq-z2'"
            )
    try:
        return pynq.Overlay(path, download=bool(target.path))
    except (OSError, RuntimeError, ValueError, AttributeError, SyntaxError) as error:  # SyntaxError: of its XML
        raise TargetError(f"target '{target.url}': pynq cannot load it: {' '.join(str(error).split())}") from None


def _core(cores: dict[str, Any], target: Target) -> str:
    """Return the name of the board's core."""
    found = [name for name, core in cores.items() if str(core.get("type", "")).rpartition(":")[0] == VLNV]
    wanted = target.options.get("core")
    if wanted is None and len(found) == 1:
        return found[0]
    if wanted in found:
        return str(wanted)
    if not found:
        raise TargetError(f"target '{target.url}': the HWH has no core {VLNV}; found: {', '.join(cores) or 'none'}")
    raise TargetError(f"target '{target.url}': give core=NAME, one of {', '.join(found)}")
