"""docs/your-device.md: its CSV, its commands, its output and its Python are what they are said to be."""

import re
import shlex
from pathlib import Path

import pytest

from hwctl.cli import main
from hwctl.devices.presetfile import to_toml
from hwctl.devices.tabulated import tabulate
from hwctl.devices.trains.csvfile import OPTIONAL, UNITS

PAGE = (Path(__file__).parents[2] / "docs" / "your-device.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "steps.csv").write_text(blocks("csv")[0])

    def run(line):
        with pytest.raises(SystemExit) as end:
            main(shlex.split(line)[1:])
        assert not end.value.code
        return capsys.readouterr().out

    return run


def test_the_page_works_from_top_to_bottom(call, tmp_path, capsys):
    first, *others = re.findall(r"^    (hwctl .*)$", PAGE.split("## 1.")[0], re.MULTILINE)
    assert f"`{first}`" in PAGE
    shown = call(first)
    (said,) = blocks("text")
    assert shown.startswith(said)
    for name in ("steps.toml", "steps.png"):
        assert (tmp_path / name).is_file()
    for line in others:
        call(line + (" --epochs 1 --no-report" if "train" in line else ""))
    exec(compile(blocks("python")[0], "your-device.md", "exec"), {})
    assert capsys.readouterr().out.startswith("1.01e-05 3.4")


def test_every_column_and_every_entry_of_the_file_is_on_the_page():
    from hwctl.devices.presets import get

    for column in ("pulse", "conductance_uS", *OPTIONAL):
        assert f"`{column}`" in PAGE
    assert {unit.removeprefix("conductance") for unit in UNITS} == {"_S", "_mS", "_uS", "_nS"}
    entries = set(re.findall(r"^(\w+) = ", to_toml(tabulate(get("linear"), "x")), re.MULTILINE))
    for entry in entries:
        assert f"`{entry}`" in PAGE
