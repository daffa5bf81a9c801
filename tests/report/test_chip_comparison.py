"""The page of two compared records shows maps of what changed, with the values in a CSV file."""

import csv

import numpy as np

from hwctl.calibration.compare import CellChange, Comparison
from hwctl.calibration.estimate import Estimate
from hwctl.report import write_comparison


def test_page_and_values_are_written(tmp_path):
    rng = np.random.default_rng(0)
    died = np.zeros((6, 5), np.bool_)
    died[2, 3] = True
    change = rng.normal(1e-6, 2e-7, (6, 5))
    change[2, 3] = np.nan
    found = Comparison(
        died=died,
        revived=np.zeros((6, 5), np.bool_),
        flags=died.astype(np.uint16),
        cells=(CellChange("g_max", "S", change, np.full((6, 5), 1e-7)),),
        figures=(("read_noise", Estimate(1e-7, 1e-9), Estimate(2e-7, 1e-9)),),
        pulses=np.zeros((6, 5), np.int64),
    )
    page = write_comparison(tmp_path / "later.html", found, "a.h5 and b.h5")
    text = page.read_text()
    assert "Change of g_max" in text
    assert "1 of 30" in text
    with (tmp_path / "later" / "changes.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 30
    assert [row["died"] for row in rows].count("True") == 1
    assert float(rows[0]["g_max_change_uS"]) == float(f"{change[0, 0] * 1e6:.9g}")
    assert rows[13]["g_max_change_uS"] == "nan"
