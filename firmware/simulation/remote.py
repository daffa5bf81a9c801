"""A Zynq without a board, for unmodified pynq: `PYNQ_REMOTE_DEVICES=127.0.0.1` and this server, started first.

    python -m firmware.simulation.remote

It speaks the gRPC of PYNQ.remote (pynq 3.1), as the server on a PYNQ.remote image does: files, and words at addresses.
What is written to the FPGA manager powers the simulated board up, whatever file it names. Options come from the
environment as in `firmware.simulation.zynq`. The server ends when its standard input is closed.
"""

import sys
from collections.abc import Iterator
from concurrent import futures
from itertools import count
from threading import Lock
from typing import Any

import grpc
import numpy as np
from pynq.remote import mmio_pb2, mmio_pb2_grpc, remote_device_pb2, remote_device_pb2_grpc

from firmware.simulation.bus import BusError, SimulatedBus
from firmware.simulation.options import simulated_bus
from firmware.zynq.design import DESIGNS

ADDRESS = "127.0.0.1:7967"  # the port is the client's: pynq has no option for it
THREADS = 4
CLOSE_TIMEOUT = 5.0  # s
CLOCK = 1e5  # Hz; see `SimulatedBus`: a word takes most of a millisecond on its way
MANAGER = "/sys/class/fpga_manager/fpga0/"
WORD = 4  # bytes
SLCR = 0xF800_0000  # system level control registers: Zynq-7000 TRM, UG585, appendix B.28
PLL = 0x8  # bits of a PLL's control register beside its multiplier, which begins at bit 12
DIVIDED = 0x10_1400  # a clock of the fabric: its PLL divided by 20, then by 1
CLOCKS = {
    SLCR + 0x100: 26 << 12 | PLL,  # Arm: 1300 MHz of 50 MHz
    SLCR + 0x104: 21 << 12 | PLL,  # DDR
    SLCR + 0x108: 20 << 12 | PLL,  # I/O
    SLCR + 0x170: DIVIDED,
    SLCR + 0x180: DIVIDED,
    SLCR + 0x190: DIVIDED,
    SLCR + 0x1A0: DIVIDED,
}


class Memory:
    """What lies at the addresses of the Zynq: the board once it is loaded, and the clocks of the processing system."""

    def __init__(self) -> None:
        """Begin with an empty fabric."""
        self._bus: SimulatedBus | None = None
        self._clocks = dict(CLOCKS)
        self._design = DESIGNS["pynq-z2"]
        self._lock = Lock()

    def load(self) -> None:
        """Power the board up."""
        with self._lock:
            self._bus = simulated_bus(CLOCK)

    def read(self, address: int) -> bytes:
        """Return a word. Raises BusError where there is none."""
        with self._lock:
            if address in self._clocks:
                return self._clocks[address].to_bytes(WORD, "little")
            offset = address - self._design.base
            return self._fabric(offset).read_words(offset, 1).tobytes()

    def write(self, address: int, data: bytes) -> None:
        """Write whole words; errors as in `read`."""
        with self._lock:
            if address in self._clocks:
                self._clocks[address] = int.from_bytes(data, "little")
            else:
                offset = address - self._design.base
                self._fabric(offset).write_words(offset, np.frombuffer(data, np.uint32))

    def _fabric(self, offset: int) -> SimulatedBus:
        if self._bus is None:
            raise BusError(f"{offset:#x}: nothing is loaded")
        return self._bus


class Files(remote_device_pb2_grpc.RemoteDeviceServicer):  # type: ignore[misc]
    """The files that pynq looks at."""

    def __init__(self, memory: Memory) -> None:
        """Hold what a Zynq has that was just switched on."""
        self._memory = memory
        self._files = {
            "/proc/version": b"Linux version 6.6 armv7l",
            "/proc/device-tree/chosen/pynq_board": b"simulated Zynq\0",
            MANAGER + "state": b"operating",
            MANAGER + "flags": b"0",
        }

    def existsfile(self, request: Any, context: Any) -> Any:
        """Say whether a file is there."""
        return remote_device_pb2.ExistsFileResponse(exists=request.file_path in self._files)

    def readfile(self, request: Any, context: Any) -> Iterator[Any]:
        """Return a file's content; of one that is not there nothing."""
        yield remote_device_pb2.ReadFileResponse(data=self._files.get(request.file_path, b""))

    def writefile(self, requests: Iterator[Any], context: Any) -> Any:
        """Keep a file; one that is given to the FPGA manager is loaded."""
        written: dict[str, bytes] = {}
        for request in requests:
            written[request.file_path] = written.get(request.file_path, b"") + request.data
        self._files |= written
        if MANAGER + "firmware" in written:
            self._memory.load()
        return remote_device_pb2.WriteFileResponse()

    def set_bitstream_attrs(self, request: Any, context: Any) -> Any:
        """Agree."""
        return remote_device_pb2.SetBitstreamAttrsResponse(status=True)


class Words(mmio_pb2_grpc.MmioServicer):  # type: ignore[misc]
    """Memory-mapped words."""

    def __init__(self, memory: Memory) -> None:
        """Give access to this memory."""
        self._memory = memory
        self._maps: dict[str, int] = {}
        self._names = map(str, count())

    def get_mmio(self, request: Any, context: Any) -> Any:
        """Map a range of addresses."""
        name = next(self._names)
        self._maps[name] = request.base_addr
        return mmio_pb2.GetMmioResponse(status=True, mmio_id=name)

    def read(self, request: Any, context: Any) -> Any:
        """Return a word; the answer has room for an int32."""
        if request.length != WORD:
            return mmio_pb2.ReadResponse(status=False, msg=f"read of {request.length} bytes; words have {WORD}")
        try:
            raw = self._memory.read(self._maps[request.mmio_id] + request.offset)
        except BusError as error:
            return mmio_pb2.ReadResponse(status=False, msg=str(error))
        return mmio_pb2.ReadResponse(status=True, data=int.from_bytes(raw, "little", signed=True))

    def write(self, request: Any, context: Any) -> Any:
        """Write whole words."""
        try:
            self._memory.write(self._maps[request.mmio_id] + request.offset, request.data)
        except BusError as error:
            return mmio_pb2.WriteResponse(status=False, msg=str(error))
        return mmio_pb2.WriteResponse(status=True)


def main() -> None:
    """Serve until standard input is closed; the first line says that pynq may come."""
    memory = Memory()
    server = grpc.server(futures.ThreadPoolExecutor(THREADS), options=(("grpc.so_reuseport", 0),))
    remote_device_pb2_grpc.add_RemoteDeviceServicer_to_server(Files(memory), server)
    mmio_pb2_grpc.add_MmioServicer_to_server(Words(memory), server)
    server.add_insecure_port(ADDRESS)
    server.start()
    sys.stdout.write(f"PYNQ_REMOTE_DEVICES={ADDRESS.partition(':')[0]}\n")
    sys.stdout.flush()
    sys.stdin.read()
    server.stop(CLOSE_TIMEOUT).wait()


if __name__ == "__main__":
    main()
