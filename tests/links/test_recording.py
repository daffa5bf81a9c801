import numpy as np
import pytest

from hwctl.crossbar import Crossbar
from hwctl.errors import BoardError, LinkClosed, LinkError, RunError, TargetError
from hwctl.links import open_link
from hwctl.links.recording import MAGIC, Recording
from hwctl.protocol import commands
from hwctl.protocol.codec import encode_reply
from hwctl.protocol.codes import Polarity
from hwctl.protocol.packing import Region

TARGET = "emulator:?device=reram-es&rows=6&cols=5&seed=4"


def work(crossbar, seed=3):
    """Do something of everything and return what it gave."""
    sets, resets = (crossbar.drive_levels(polarity)[0] for polarity in (Polarity.SET, Polarity.RESET))
    rng = np.random.default_rng(seed)
    found = [crossbar.pulse(rng.integers(-3, 4, (6, 5)), sets, resets)]
    found.append(crossbar.pulse_cells([0, 5, 0], [1, 4, 1], [4, -2, -1], sets, resets))
    found.append(crossbar.outer(rng.integers(-9, 9, (7, 6)), rng.integers(-9, 9, (7, 5)), sets, resets))
    found.append(crossbar.vmm(rng.uniform(-0.1, 0.1, (4, 6))).tobytes())
    found.append(crossbar.write_verify(np.full((6, 5), 30e-6), 3e-6, [sets], [resets], attempts=4).set_pulses.tobytes())
    found.append(crossbar.read(averages=4).tobytes())
    with pytest.raises(BoardError) as refused:
        crossbar.port.ask(commands.Read(Region(0, 7, 0, 5), 0, 0, 0), type(None))
    found.append(str(refused.value).partition("refused")[2])
    found.append(crossbar.dump().words.tobytes())
    return found


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Return a recording and what its commands gave."""
    path = tmp_path_factory.mktemp("recording") / "run.rec"
    with Recording(path) as recording, Crossbar.open(TARGET, wraps=[recording.wrap]) as crossbar:
        assert crossbar.link.url == TARGET
        return path, work(crossbar)


def test_a_replay_gives_what_was_recorded_and_a_recording_changes_nothing(recorded):
    path, found = recorded
    with Crossbar.open(f"replay:{path}") as replayed, Crossbar.open(TARGET) as board:
        assert work(replayed) == found == work(board)
        assert replayed.link.bytes_moved == 0


def test_another_command_is_refused_with_both_and_every_time(recorded):
    path, _ = recorded
    with Crossbar.open(f"replay:{path}") as crossbar:
        for _ in range(2):
            with pytest.raises(LinkError) as error:
                crossbar.read(slice(0, 4))
            assert str(error.value) == (
                f"replay:{path}: command 4 was CONFIGURE_SHAPE when it was recorded, now READ rows 0-3, columns 0-4 is "
                "asked; record again"
            )


def test_the_same_command_with_other_values_is_refused_with_their_names(recorded):
    path, _ = recorded
    with (
        Crossbar.open(f"replay:{path}") as crossbar,
        pytest.raises(LinkError, match=r"was PULSE rows 0-5, columns 0-4 when .*, now one with other counts is asked"),
    ):
        work(crossbar, seed=4)


def test_more_than_was_recorded_is_refused(recorded):
    path, _ = recorded
    with Crossbar.open(f"replay:{path}") as crossbar:
        work(crossbar)
        with pytest.raises(LinkError, match=r"(\d+) commands were recorded, now command \d+ \(STATUS\) is asked"):
            crossbar.status()


def test_a_closed_replay_says_so(recorded):
    link = open_link(f"replay:{recorded[0]}")
    link.close()
    link.close()
    with pytest.raises(LinkClosed, match="open it again"):
        link.execute(commands.Identify())


def test_a_batch_ends_at_the_refusal_that_was_recorded(tmp_path):
    read = [commands.Read(Region(0, rows, 0, 5), 0, 0, 0) for rows in (6, 7, 5)]
    answers = []
    with Recording(tmp_path / "x") as recording:
        links = [recording.wrap(open_link(TARGET)), open_link(f"{TARGET}")]
        for link in links:
            answers.append([encode_reply(reply) for reply in link.execute_all(read)])
            link.execute(commands.Status())
            link.close()
    replay = open_link(f"replay:{tmp_path / 'x'}")
    answers.append([encode_reply(reply) for reply in replay.execute_all(read)])
    assert answers[0] == answers[1] == answers[2]
    assert len(answers[2]) == 2
    replay.execute(commands.Status())
    replay.close()


def test_several_links_share_a_recording(tmp_path):
    path, urls = tmp_path / "two.rec", (TARGET, TARGET.replace("seed=4", "seed=5"))
    with Recording(path) as recording:
        crossbars = [Crossbar.open(url, wraps=[recording.wrap]) for url in urls]
        found = [crossbar.read().tobytes() for crossbar in reversed(crossbars)][::-1]
        for crossbar in crossbars:
            crossbar.close()
    for number in (1, 0):
        with Crossbar.open(f"replay:{path}?link={number}") as crossbar:
            assert crossbar.read().tobytes() == found[number]
    with pytest.raises(TargetError, match=r"link=2 is not in this recording; it has 0, 1"):
        open_link(f"replay:{path}?link=2")


def test_a_recording_is_on_disk_before_it_is_closed(tmp_path):
    path = tmp_path / "run.rec"
    with Recording(path) as recording, Crossbar.open(TARGET, wraps=[recording.wrap]) as crossbar:
        found = crossbar.read().tobytes()
        with Crossbar.open(f"replay:{path}") as replayed:
            assert replayed.read().tobytes() == found


def test_a_recording_is_never_overwritten_and_an_empty_one_not_kept(tmp_path):
    path = tmp_path / "run.rec"
    with Recording(path):
        assert path.exists()
    assert not path.exists()
    path.write_text("mine")
    with pytest.raises(RunError, match=r"run\.rec exists; name another file"):
        Recording(path)
    assert path.read_text() == "mine"
    with pytest.raises(RunError, match="cannot write"):
        Recording(tmp_path / "nowhere" / "run.rec")


@pytest.mark.slow
def test_every_cut_is_found_but_between_an_exchange_and_the_next(recorded, tmp_path):
    whole = recorded[0].read_bytes()[:700]  # IDENTIFY and its long reply are within
    path = tmp_path / "cut.rec"
    usable = []
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        try:
            open_link(f"replay:{path}").close()
            usable.append(size)
        except TargetError as error:
            assert "\n" not in str(error)
            assert any(word in str(error) for word in ("was expected", "is not in this recording"))
    assert usable
    assert usable[0] > len(MAGIC) + 2 * 9


def test_every_flipped_byte_is_found(recorded, tmp_path):
    whole = bytearray(recorded[0].read_bytes())
    path = tmp_path / "flipped.rec"
    for place in [*range(120), *range(120, len(whole), len(whole) // 60)]:
        whole[place] ^= 0x10
        path.write_bytes(whole)
        whole[place] ^= 0x10
        with pytest.raises(TargetError, match=r"(was|were) expected") as error:
            open_link(f"replay:{path}")
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "it is empty"),
        (b"epoch,loss\n1,2\n", "'hwctl-recording 1' was expected, 'epoch,loss' came"),
        (b"hwctl-recording 2\n\0\0", "'hwctl-recording 1' was expected, 'hwctl-recording 2' came; use the hwctl that"),
        (b"\x89HDF\r\n\x1a\n" * 20, "'hwctl-recording 1' was expected"),
        (MAGIC, "link=0 is not in this recording; it has none"),
        (MAGIC + b"\0\xff\xff\xff\xff" + b"x" * 50, "cut off: record 0 was expected to go on for 4294967299 bytes, 50"),
    ],
)
def test_what_is_no_recording_is_named_with_what_was_expected(tmp_path, content, says):
    path = tmp_path / "other"
    path.write_bytes(content)
    with pytest.raises(TargetError) as error:
        open_link(f"replay:{path}")
    assert says in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("replay:", "names no recording"),
        ("replay:not-there.rec", "No such file"),
        ("replay:x?link=-1", "from 0 to 127"),
        ("replay:x?links=1", "known: link"),
    ],
)
def test_a_replay_that_cannot_be_opened_says_why(url, says):
    with pytest.raises(TargetError, match=says):
        open_link(url)
