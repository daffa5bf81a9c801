import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "ci.md"


def test_the_crossbar_of_a_test_is_an_emulator_unless_a_target_is_named(run_as_user, tmp_path):
    (tmp_path / "test_mine.py").write_text(
        "def test_it(crossbar, hwctl_target):\n"
        "    assert crossbar.link.url == hwctl_target\n"
        "    print('seen', crossbar.rows, crossbar.cols, crossbar.identity.device)\n"
    )
    code, output = run_as_user("-s")
    assert code == 0, output
    assert "seen 16 12 reram-es" in output
    code, output = run_as_user("-s", "--hwctl-target", "emulator:?device=linear&rows=3&cols=4")
    assert "seen 3 4 linear" in output
    code, output = run_as_user("-s", HWCTL_TARGET="emulator:?device=pcm&rows=2&cols=2")
    assert "seen 2 2 pcm" in output


def test_what_the_target_lacks_is_skipped_and_named(run_as_user, tmp_path):
    (tmp_path / "test_mine.py").write_text(
        "import pytest\n"
        "@pytest.mark.hwctl_needs('VMM_T')\ndef test_needs(crossbar):\n    pass\n"
        "@pytest.mark.hwctl_emulated\ndef test_emulated(crossbar):\n    pass\n"
        "@pytest.mark.hwctl_needs('WARP')\ndef test_unknown(crossbar):\n    pass\n"
    )
    code, output = run_as_user("-rs", "--strict-markers", "--hwctl-target", "emulator:?lacks=vmm_t")
    assert code == 1
    assert re.search(r"SKIPPED .*emulator:\?lacks=vmm_t lacks VMM_T", output)
    assert "no feature 'WARP'" in output
    assert "1 passed" in output


def test_a_test_that_leaves_a_link_open_fails_and_one_that_closes_does_not(run_as_user, tmp_path):
    (tmp_path / "test_mine.py").write_text(
        "from hwctl.crossbar import Crossbar\nfrom hwctl.links import open_link\n"
        "def test_leaks():\n    open_link('emulator:?rows=2&cols=2')\n"
        "def test_leaks_a_crossbar():\n    Crossbar.open('emulator:?rows=2&cols=3')\n"
        "def test_closes():\n    open_link('emulator:').close()\n"
        "def test_closes_a_crossbar():\n    with Crossbar.open('emulator:'):\n        pass\n"
    )
    code, output = run_as_user()
    assert code == 1
    assert "emulator:?rows=2&cols=2" in output
    assert "emulator:?rows=2&cols=3" in output
    assert "4 passed" in output or "2 passed" in output
    assert len(re.findall(r"^(?:ERROR|FAILED) .*leaks", output, re.MULTILINE)) == 2


def test_help_shows_the_options(run_as_user):
    _, output = run_as_user("--help")
    assert "--hwctl-target" in output


def test_the_example_of_the_page_on_ci_runs(run_as_user, tmp_path):
    (code_block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "test_training.py").write_text(code_block)
    code, output = run_as_user()
    assert code == 0, output
    assert "passed" in output
