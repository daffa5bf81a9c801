"""Weights of a file onto cells, as `hwctl program --weights` does it."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from hwctl.cli.chiprecord import model_of
from hwctl.cli.closedloop import ClosedLoop
from hwctl.cli.programmed import key_figures, number, of_result
from hwctl.errors import BadInput, LimitError
from hwctl.files import write_file
from hwctl.packages import need

if TYPE_CHECKING:
    from hwctl.crossbar import Crossbar
    from hwctl.crossbar.results import Floats
    from hwctl.devices.knownchip import KnownChip
    from hwctl.devices.steps import StepModel
    from hwctl.programming.fine import Fine
    from hwctl.programming.matrix import Programmed
    from hwctl.programming.modelbased import ModelBased
    from hwctl.programming.remap import Remapped
    from hwctl.programming.residual import Corrected
    from hwctl.programming.weights import Bounds
    from hwctl.protocol.packing import Region

AVERAGED = 16.0  # standard deviations of a conversion in the error to which a residual is read, unless it is given


@dataclass(frozen=True)
class Wish:
    """What is to be programmed, and how: the options of the command."""

    file: Path
    weights: "Floats"
    """(rows, outputs) that the file holds."""
    row: int
    col: int
    scale: float | None
    """uS a unit weight."""
    nearest: bool
    known: "KnownChip | None"
    device: str | None
    mapped: bool
    spare_rows: int
    spare_cols: int
    residual: bool


def program_matrix(
    crossbar: "Crossbar", wish: Wish, loop: ClosedLoop, out: Path | None, report: Path | None
) -> dict[str, Any]:
    """Program the weights of a file; return what is shown of it."""
    import numpy as np  # noqa: PLC0415  not needed for --help

    from hwctl.programming.linemap import LineMap  # noqa: PLC0415
    from hwctl.programming.matrix import program_weights  # noqa: PLC0415
    from hwctl.programming.remap import mapped_scale, program_mapped  # noqa: PLC0415
    from hwctl.programming.weights import Bounds, largest_scale, refuse_beyond  # noqa: PLC0415

    weights = wish.weights
    region = _region(crossbar, weights, wish)
    model = model_of(crossbar, wish.device, wish.known)
    method = loop.method(model, wish.known)
    bounds = _bounds(crossbar, region, model, wish)
    # Before a pulse is sent: a record may not hold the columns behind.
    second = _behind(crossbar, region, weights, model, wish) if wish.residual else None
    result: dict[str, Any] = {"weights": str(wish.file)}
    if wish.mapped:
        rng = np.random.default_rng(0)  # of the search: the same weights on the same chip get the same map
        k, result["scale_limited_by"] = _given_scale(wish) or mapped_scale(
            weights, bounds, Bounds.of(model, region.shape), method.tolerance, rng
        )
        found = program_mapped(crossbar, weights, k, region, method, bounds, rng, nearest=wish.nearest)
        done = found.done
        result |= _map_summary(found)
    else:
        k, result["scale_limited_by"] = _given_scale(wish) or largest_scale(weights, bounds, method.tolerance)
        if not wish.nearest:
            refuse_beyond(weights, k, bounds)
        done = program_weights(crossbar, weights, k, region, method, bounds, LineMap.straight(*weights.shape))
    corrected = None if second is None else _correct(crossbar, done, *second, loop, method)
    result |= _summary(done, loop.tolerance, done.effective if corrected is None else corrected.effective)
    if corrected is not None:
        result["residual"] = _residual_summary(corrected)
    if out is not None:
        _save(out, done.effective if corrected is None else corrected.effective)
    if report is not None:
        from hwctl.report import tables_of_weights, write_program_report  # noqa: PLC0415

        title = f"{wish.file.name} on {crossbar.identity.device}"
        tables = tables_of_weights(done, wish.mapped, corrected)
        result["report"] = str(write_program_report(report, title, tables, key_figures(result)))
    return result


def _region(crossbar: "Crossbar", weights: "Floats", wish: Wish) -> "Region":
    rows, own = weights.shape[0] + wish.spare_rows, 2 * weights.shape[1] + wish.spare_cols
    cols = own + (2 * weights.shape[1] if wish.residual else 0)
    spare = " and the spare ones" if wish.spare_rows or wish.spare_cols else ""
    spare += " and two of the residual" if wish.residual else ""
    try:
        whole = crossbar.region(slice(wish.row, wish.row + rows), slice(wish.col, wish.col + cols))
        return crossbar.region(slice(whole.row0, whole.row1), slice(wish.col, wish.col + own))
    except LimitError as error:
        raise LimitError(
            f"{weights.shape[0]} x {weights.shape[1]} weights of {wish.file} take {rows} rows and {cols} columns, two "
            f"a weight{spare} ({error}); give another --row and --col, fewer weights, or a larger array; nothing was "
            "pulsed"
        ) from None


def _bounds(crossbar: "Crossbar", region: "Region", model: "StepModel", wish: Wish) -> "Bounds":
    from hwctl.programming.calibrated import bounds_of  # noqa: PLC0415
    from hwctl.programming.weights import Bounds  # noqa: PLC0415

    return Bounds.of(model, region.shape) if wish.known is None else bounds_of(wish.known, crossbar, region)


def _given_scale(wish: Wish) -> tuple[float, None] | None:
    """Return k in S a unit weight where the user gave it; nothing limits it."""
    if wish.scale is None:
        return None
    if not 0 < wish.scale < inf:
        raise BadInput(f"--scale {wish.scale:g} uS; give G+ - G- of a weight of 1, above 0")
    return wish.scale * 1e-6, None


def _map_summary(found: "Remapped") -> dict[str, Any]:
    done = found.done
    rows, columns = done.line_map.rows + done.region.row0, done.line_map.columns + done.region.col0
    return {
        "map_rows": rows.tolist(),
        "map_columns": columns.reshape(-1, 2).tolist(),
        "passes": found.passes,
        "abandoned_pulses": done.abandoned_pulses,
        "expected_error_before": found.error_before,
        "expected_error_after": found.error_after,
    }


def _behind(
    crossbar: "Crossbar", region: "Region", weights: "Floats", model: "StepModel", wish: Wish
) -> tuple["Region", "Bounds"]:
    """Return the region of a residual, behind the matrix', and what its cells can show."""
    behind = slice(region.col1, region.col1 + 2 * weights.shape[1])
    second = crossbar.region(slice(region.row0, region.row1), behind)
    return second, _bounds(crossbar, second, model, wish)


def _correct(
    crossbar: "Crossbar",
    done: "Programmed",
    region: "Region",
    bounds: "Bounds",
    loop: ClosedLoop,
    method: "ModelBased | Fine",
) -> "Corrected":
    """Program the residual into a region."""
    from hwctl.programming.precise import resolution  # noqa: PLC0415
    from hwctl.programming.residual import program_residual  # noqa: PLC0415

    usual = max(method.model.read_noise / AVERAGED, resolution(crossbar) / AVERAGED)
    precision = usual if loop.precision is None else loop.precision * 1e-6
    return program_residual(crossbar, done, region, method, bounds, precision, pause=loop.pause)


def _residual_summary(corrected: "Corrected") -> dict[str, Any]:
    import numpy as np  # noqa: PLC0415

    first, second = corrected.first, corrected.second
    return {
        "gain": corrected.gain,
        "columns": [second.region.col0, second.region.col1],
        "weight_error_rms_before": float(np.sqrt(np.nanmean((corrected.before - first.weights) ** 2))),
        "weight_error_rms": float(np.sqrt(np.nanmean((corrected.effective - first.weights) ** 2))),
        "conversions_between": corrected.conversions,
        "cells": int(second.targets.size),
        **of_result(second.result, second.targets, second.address, second.stuck),
    }


def _summary(done: "Programmed", tolerance: float, effective: "Floats") -> dict[str, Any]:
    import numpy as np  # noqa: PLC0415

    working = ~done.stuck
    off = np.abs(effective - done.weights)
    lost = np.argwhere(np.abs(done.expected - done.weights) * done.k > 1e-12)  # S
    return {
        "rows": done.weights.shape[0],
        "outputs": done.weights.shape[1],
        "first_row": done.region.row0,
        "first_column": done.region.col0,
        "scale_siemens": done.k,
        "cells": int(done.targets.size),
        "working": int(working.sum()),
        "reached_working": int((done.result.reached & working).sum()),
        "tolerance_microsiemens": tolerance,
        **of_result(done.result, done.targets, done.address, done.stuck),
        "weight_error_median": float(np.nanmedian(off)),
        "weight_error_rms": float(np.sqrt(np.nanmean(off**2))),
        "weight_error_max": float(np.nanmax(off)),
        "out_of_reach": [
            {
                "row": int(i),
                "output": int(j),
                "wanted": float(done.weights[i, j]),
                "expected": float(done.expected[i, j]),
            }
            for i, j in lost
        ],
        "effective": [[number(w) for w in line] for line in effective],
    }


def _save(path: Path, effective: "Floats") -> None:
    import numpy as np  # noqa: PLC0415

    content = io.BytesIO()
    np.save(content, effective)
    write_file(path, content.getvalue())


def refuse_contradictions(
    file: Path | None, weights: Path | None, of_weights: Mapping[str, object], out: Path | None
) -> None:
    """Raise BadInput where it is not clear what is to be programmed. of_weights: options that only weights have."""
    if file is None and weights is None:
        raise typer.BadParameter("give TARGETS.csv, or --weights FILE")
    if file is not None and weights is not None:
        raise BadInput("give either a CSV file of conductances or --weights FILE")
    given = [name for name, value in of_weights.items() if value not in (None, False, 0)]
    if weights is None and given:
        raise BadInput(f"{', '.join(given)} is of weights; give --weights FILE, or leave it out")
    if out is not None and out.suffix.lower() != ".npy":
        raise BadInput(f"--out {out} is no .npy by its name; give FILE.npy")


def refuse_spare(mapped: bool, spare_rows: int, spare_cols: int) -> None:
    """Raise BadInput where spare lines cannot be used."""
    if (spare_rows or spare_cols) and not mapped:
        raise BadInput("--spare-rows and --spare-cols are lines that --map may use; add --map, or leave them out")
    if spare_cols % 2:
        raise BadInput(f"--spare-cols {spare_cols}; give an even number, two columns a pair")
    if mapped:
        need("scipy", "--map", "leave it out")
