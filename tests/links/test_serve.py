import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from hwctl.crossbar import Crossbar
from hwctl.errors import LinkError, TargetError
from hwctl.links import open_link
from hwctl.protocol.codes import Polarity

TARGET = "emulator:?device=reram-es&rows=12&cols=10&seed=4"
WAYS = {"pty": ["--pty"], "tcp": ["--tcp", 0]}


def work(crossbar):
    """Do something of everything and return what it gave."""
    sets, resets = (crossbar.drive_levels(polarity)[0] for polarity in (Polarity.SET, Polarity.RESET))
    rng = np.random.default_rng(3)
    found = []
    for _ in range(5):
        found.append(crossbar.pulse(rng.integers(-3, 4, (12, 10)), sets, resets))
        found.append(crossbar.outer(rng.integers(-9, 9, (7, 12)), rng.integers(-9, 9, (7, 10)), sets, resets))
        found.append(crossbar.vmm(rng.uniform(-0.1, 0.1, (20, 12))).tobytes())
        found.append(crossbar.read(averages=4).tobytes())
    found.append(crossbar.pulse_counts().tobytes())
    found.append(crossbar.dump().words.tobytes())
    return found


@pytest.fixture(scope="module")
def expected():
    with Crossbar.open(TARGET) as crossbar:
        return work(crossbar)


@pytest.mark.parametrize("way", WAYS)
def test_a_served_board_gives_the_bits_of_the_board_itself(served, expected, way):
    url, _ = served(TARGET, *WAYS[way])
    with Crossbar.open(url) as crossbar:
        assert work(crossbar) == expected
        assert crossbar.link.bytes_moved > 10_000


@pytest.mark.parametrize("way", WAYS)
def test_faults_on_the_line_change_no_bit(served, expected, way):
    url, _ = served(TARGET, *WAYS[way])
    faults = "flip=2e-4,drop=0.03,dup=0.03,truncate=0.03,delay=0.03,disconnect=0.03,seed=5"
    with Crossbar.open(f"faulty:{faults}:{url}") as crossbar:
        assert work(crossbar) == expected
        met = crossbar.link._port.met
        assert all(met[kind] for kind in ("flip", "drop", "dup", "truncate", "delay", "disconnect"))


def test_faults_are_the_same_for_the_same_seed(expected):
    moved = []
    for seed in (1, 1, 2):
        with Crossbar.open(f"faulty:drop=0.05,dup=0.05,seed={seed}:{TARGET}") as crossbar:
            assert work(crossbar) == expected
            moved.append(crossbar.link._port.met)
    assert moved[0] == moved[1] != moved[2]


@pytest.mark.parametrize("way", WAYS)
def test_a_client_that_goes_leaves_the_board_safe_and_ready_with_its_cells_as_they_were(served, way):
    url, _ = served(TARGET, *WAYS[way])
    script = (
        "import os, sys\nfrom hwctl.crossbar import Crossbar\n"
        f"c = Crossbar.open({url!r})\nfrom hwctl.protocol.codes import Polarity\n"
        "s, r = (c.drive_levels(p)[0] for p in (Polarity.SET, Polarity.RESET))\n"
        "import numpy as np\nc.pulse(np.ones((12, 10), int), s, r)\nassert not c.status().safe\nos._exit(0)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
    time.sleep(0.3)
    with Crossbar.open(url) as crossbar:
        assert (crossbar.pulse_counts() == 1).all()
        assert crossbar.status().set_pulses == 120


@pytest.mark.parametrize("way", WAYS)
def test_a_second_client_is_refused_and_the_first_goes_on(served, way):
    url, _ = served(TARGET, *WAYS[way])
    with Crossbar.open(url) as crossbar:
        with pytest.raises((TargetError, LinkError), match=r"another (program|client)") as error:
            open_link(url)
        assert "\n" not in str(error.value)
        assert crossbar.read().shape == (12, 10)
    with Crossbar.open(url) as crossbar:
        assert crossbar.read().shape == (12, 10)


def test_tcp_listens_on_the_loopback_alone(served):
    url, _ = served(TARGET, "--tcp", 0)
    host, port = url.removeprefix("socket://").split(":")
    assert host == "127.0.0.1"
    other = socket.socket()
    other.settimeout(1.0)
    with other:
        assert other.connect_ex(("127.0.0.2", int(port))) != 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_server_that_is_stopped_ends_at_once_and_without_a_word(served, number):
    _, process = served(TARGET, "--pty")
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "", "")


def test_a_stranger_on_the_line_is_told_from_a_board():
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        url = f"socket://127.0.0.1:{stranger.getsockname()[1]}"
        code = (
            "from hwctl.links import bytelink\nbytelink.GREETING_TIMEOUT = 0.5\nfrom hwctl.links import open_link\n"
            f"try:\n    open_link({url!r})\nexcept Exception as e:\n    print(type(e).__name__, e)"
        )
        asked = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        client, _ = stranger.accept()
        client.recv(1)  # it has asked
        client.sendall(b"\r\nERROR\r\n")
        out, _ = asked.communicate(timeout=30)
        client.close()
    assert out.startswith("LinkTimeout")
    assert r"a frame that says who it is was expected, 'ERROR' came; check --target and its baud=" in out


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("/dev/ttyNOTHERE", "there is no such port"),
        ("serial:", "names no port"),
        ("/dev/null", "it is no serial port; name one"),
        ("socket://127.0.0.1:1", "start 'hwctl serve"),
        ("/dev/null?baud=fast", "baud=fast; give an integer"),
        ("faulty:drop=2:emulator:", "give a probability"),
        ("faulty:fall=0.1:emulator:", "known: delay"),
        ("faulty:drop=0.1", "give faulty:FAULTS:URL"),
    ],
)
def test_a_line_that_cannot_be_opened_is_named_with_what_to_do(url, says):
    with pytest.raises(TargetError, match=says) as error:
        open_link(url)
    assert "\n" not in str(error.value)


def test_a_board_that_vanishes_for_good_is_named_with_the_command_under_way(served, monkeypatch):
    monkeypatch.setattr("hwctl.links.bytelink.RECONNECT_TIMEOUT", 0.5)
    url, process = served(TARGET, "--tcp", 0)
    crossbar = Crossbar.open(url)
    process.kill()
    process.wait()
    with pytest.raises(LinkError, match=r"link closed: .*READ rows 0-11, columns 0-9\); reconnect, and open it again"):
        crossbar.read()
    crossbar.close()


def test_a_board_that_was_reset_puts_commands_in_doubt_and_none_is_sent_again(served):
    url, process = served(TARGET, "--tcp", 0)
    crossbar = Crossbar.open(url)
    port = url.rsplit(":", 1)[1]
    process.kill()
    process.wait()
    fresh, _ = served(TARGET, "--tcp", port)
    assert fresh == url
    with pytest.raises(LinkError, match="was reset or taken over"):
        crossbar.read()
    crossbar.close()
    with Crossbar.open(url) as again:
        assert again.status().reads == 0
