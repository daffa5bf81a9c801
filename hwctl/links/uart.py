"""Boards behind any pyserial URL: a device, a COM port, socket://, rfc2217://, loop://.

`serial` is imported here alone. pyserial's URLs: https://pyserial.readthedocs.io/en/latest/url_handlers.html
"""

import errno
from pathlib import Path

import serial
from serial.tools import list_ports

from hwctl.errors import LinkClosed, LinkTimeout, TargetError
from hwctl.links.bytelink import ByteLink
from hwctl.links.ports import READ_TIMEOUT, WRITE_TIMEOUT
from hwctl.links.target import Target

DEFAULT_BAUD = 115_200
CHUNK = 65536  # bytes taken from a socket at once
MAX_BAUD = 12_000_000  # fastest USB bridges


class SerialPort:
    """A pyserial port, opened for this process alone."""

    def __init__(self, url: str, baud: int) -> None:
        """Open a device's path or a pyserial URL. Raises TargetError where it is absent, busy or not permitted."""
        self.name = url
        self._baud = baud
        self.bytes_per_second = baud / 10  # a start and a stop bit beside the eight
        try:
            self._port = self._open()
        except (OSError, ValueError) as error:
            raise TargetError(f"cannot open {url}: {_reason(error, url)}") from None

    def _open(self) -> serial.SerialBase:
        opened = serial.serial_for_url(self.name, do_not_open=True)
        opened.baudrate = self._baud
        opened.timeout, opened.write_timeout = READ_TIMEOUT, WRITE_TIMEOUT
        if "://" not in self.name:
            opened.exclusive = True
        opened.open()
        return opened

    def read(self) -> bytes:
        """Return bytes that came, within READ_TIMEOUT. Raises LinkClosed where the port is gone."""
        try:
            first: bytes = self._port.read(1)
            return first + self._rest() if first else b""
        except (OSError, TypeError, ValueError) as error:  # TypeError: the port was closed while it was read
            raise LinkClosed(f"{self.name} vanished ({_text(error)})") from None

    def _rest(self) -> bytes:
        """Return what has come by now."""
        if not self.name.startswith("socket:"):
            waiting: bytes = self._port.read(self._port.in_waiting)
            return waiting
        # A socket tells only whether there is something: take what there is, without a wait.
        self._port.timeout = 0
        try:
            arrived: bytes = self._port.read(CHUNK)
        finally:
            self._port.timeout = READ_TIMEOUT
        return arrived

    def write(self, data: bytes) -> None:
        """Send bytes. Raises LinkTimeout where the line takes none, LinkClosed where the port is gone."""
        try:
            self._port.write_timeout = WRITE_TIMEOUT + len(data) / self.bytes_per_second
            self._port.write(data)
        except serial.SerialTimeoutException:
            raise LinkTimeout(f"{self.name} took no bytes within {WRITE_TIMEOUT:g} s", "check the line") from None
        except (OSError, TypeError, ValueError) as error:
            raise LinkClosed(f"{self.name} vanished ({_text(error)})") from None

    def reopen(self) -> None:
        """Open the same port again. Raises LinkClosed."""
        self.close()
        try:
            self._port = self._open()
        except (OSError, ValueError) as error:
            raise LinkClosed(f"{self.name} does not open again: {_reason(error, self.name)}") from None

    def close(self) -> None:
        """Release the port."""
        peer = getattr(self._port, "_socket", None)
        self._port.close()
        if peer is not None:
            peer.close()  # pyserial leaves the socket open where the other end has gone first


def _text(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _reason(error: Exception, url: str) -> str:
    """Say why a port cannot be opened, and what to do."""
    number = getattr(error, "errno", None)
    text = _text(error)
    if number == errno.ENOENT or "FileNotFoundError" in text:
        found = ", ".join(sorted(port.device for port in list_ports.comports())) or "none"
        return f"there is no such port; found: {found}"
    if number == errno.EACCES or "PermissionError" in text:
        group = f" (it belongs to group {_group(url)})" if _group(url) else ""
        return f"not permitted{group}; add your user to that group, or change the port's mode"
    if number in (errno.EBUSY, errno.EWOULDBLOCK) or "exclusively lock" in text:
        return "another program has it open; close that program"
    if number == errno.ENOTTY or "Inappropriate ioctl" in text:
        return "it is no serial port; name one, for example /dev/ttyUSB0"
    if number == errno.ECONNREFUSED or "refused" in text:
        return "nothing listens there; start 'hwctl serve TARGET --tcp PORT' first"
    return text


def _group(path: str) -> str:
    try:
        return Path(path).group()
    except (OSError, KeyError, NotImplementedError):
        return ""


def port_of(target: Target) -> SerialPort:
    """Open the port of `/dev/ttyUSB0?baud=3000000`, `serial:COM5`, or a pyserial URL. Raises TargetError."""
    target.only("baud")
    baud = target.integer("baud", DEFAULT_BAUD, 50, MAX_BAUD)
    if not target.path:
        raise TargetError(f"target '{target.url}' names no port; use for example 'serial:/dev/ttyUSB0?baud=3000000'")
    return SerialPort(target.path if target.scheme == "serial" else f"{target.scheme}:{target.path}", baud)


def open_serial(target: Target) -> ByteLink:
    """Open the board behind a serial port. Raises TargetError, LinkTimeout where nobody answers."""
    return ByteLink.connect(port_of(target), target.url)
