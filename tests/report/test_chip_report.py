"""The page of a calibrated chip: whole, without a request, each plot with its values."""

import csv
import re

import numpy as np
import pytest

from hwctl.calibration.plan import Plan
from hwctl.calibration.probe import Probe
from hwctl.calibration.procedure import calibrate
from hwctl.calibration.record import Record
from hwctl.calibration.twin import twin
from hwctl.crossbar import Crossbar
from hwctl.report import write_chip_report


@pytest.fixture(scope="module", params=["neurram", "reram-es"])
def record(request):
    with Crossbar.open(f"emulator:?device={request.param}&rows=12&cols=10&seed=2&unformed=0.1") as crossbar:
        probe = Probe(crossbar, crossbar.region(slice(None)), 16, 60)
        found = calibrate(probe, Plan.of(60), np.random.default_rng(0), lambda stage: None)
        chip = twin(found, crossbar.identity, probe.shapes, 12, 10, crossbar.read_voltage)
        return Record.of(found, chip, {"chip": "<seven>", "device": request.param})


def test_every_plot_links_the_values_that_it_shows(record, tmp_path):
    page = write_chip_report(tmp_path / "chip7.html", record, [("Cells", "120", "")])
    text = page.read_text()
    named = set(re.findall(r'href="(chip7/[^"]+\.csv)"', text))
    assert named == {f"chip7/{path.name}" for path in (tmp_path / "chip7").iterdir()}
    assert len(re.findall(r"<svg", text)) >= 12
    assert "&lt;seven&gt;" in text
    assert not re.search(r'(src|href)="https?:', text)


def test_values_are_those_of_the_record(record, tmp_path):
    write_chip_report(tmp_path / "chip7.html", record, [])
    with (tmp_path / "chip7" / "cells.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 120
    found = np.array([float(row["g_min_uS"]) for row in rows])
    np.testing.assert_allclose(found, record.cells("g_min").reshape(-1) * 1e6, rtol=1e-8, equal_nan=True)
