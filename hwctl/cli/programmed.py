"""What `hwctl program` shows of cells that were programmed: figures, and what was not reached."""

from math import floor, isnan, log10
from typing import TYPE_CHECKING, Any

from rich.console import Console

if TYPE_CHECKING:
    from collections.abc import Callable

    from hwctl.crossbar.results import Floats
    from hwctl.programming.result import Mask, Result

MOST_LISTED = 20  # cells or weights that a terminal lists


def of_result(
    result: "Result",
    targets: "Floats",
    address: "Callable[[int, int], tuple[int, int]]",
    stuck: "Mask | None" = None,
) -> dict[str, Any]:
    """Return the figures of a closed loop with targets (rows, cols) in S.

    address: row and column on the array. stuck: cells (rows, cols) of which that was known before.
    """
    missed: list[dict[str, Any]] = []
    known: list[dict[str, Any]] = []
    left = result.unreachable
    for i, j in result.missed():
        row, col = address(i, j)
        cell = {"row": row, "col": col, "reading_siemens": number(result.reading[i, j])}
        if stuck is not None and stuck[i, j]:
            known.append(cell)
        else:
            alone = {} if left is None else {"unreachable": bool(left[i, j])}
            missed.append({**cell, "target_siemens": float(targets[i, j]), **alone})
    return {
        "reached": int(result.reached.sum()),
        "rounds": result.rounds,
        "pulses": int(result.pulses.sum()),
        "pulses_max_cell": int(result.pulses.max()),
        "reads": int(result.reads.sum()),
        **errors(result.reading, targets),
        "not_reached": missed,
        **({} if left is None else {"unreachable": int(left.sum())}),
        **({} if stuck is None else {"stuck": known}),
        **_of_fine(result, address),
    }


def _of_fine(result: "Result", address: "Callable[[int, int], tuple[int, int]]") -> dict[str, Any]:
    """Return what only the fine stage says."""
    import numpy as np  # noqa: PLC0415

    from hwctl.programming.fine import FineResult  # noqa: PLC0415

    if not isinstance(result, FineResult):
        return {}
    lists = {"noisy": result.noisy, "unquiet": result.unquiet, "denoised": result.denoised}
    return {
        "standard_error_median_siemens": float(np.nanmedian(result.error)),
        **{name: [list(address(int(i), int(j))) for i, j in np.argwhere(cells)] for name, cells in lists.items()},
    }


def errors(reading: "Floats", targets: "Floats") -> dict[str, Any]:
    """Return how far readings are from targets, each (rows, cols) in S."""
    import numpy as np  # noqa: PLC0415

    off = (reading - targets) * 1e6
    return {
        "error_median_microsiemens": float(np.nanmedian(np.abs(off))),
        "error_rms_microsiemens": float(np.sqrt(np.nanmean(off**2))),
        "saturated": int(np.isnan(off).sum()),
        "after_siemens": [[number(g) for g in line] for line in reading],
    }


def number(value: float) -> float | None:
    """Return a reading, None where it is no number."""
    return None if isnan(value) else float(value)


def key_figures(result: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return the key figures of a report's page: label, value, note."""
    tolerance = f"within {result['tolerance_microsiemens']:g} µS"
    figures = [("Cells on target", f"{result['reached']} of {result['cells']}", tolerance)]
    if "working" in result:
        share = result["reached_working"] / max(result["working"], 1)
        figures += [
            ("Working cells on target", f"{result['reached_working']} of {result['working']}", f"{100 * share:.2f}%"),
            ("Error of a weight", f"{result['weight_error_rms']:.3g}", "root mean square, all weights"),
            ("Scale", f"{result['scale_siemens'] * 1e6:.4g} µS", "G+ \N{MINUS SIGN} G\N{MINUS SIGN} of a weight of 1"),
        ]
    if "residual" in result:
        second = result["residual"]
        before = f"{second['weight_error_rms_before']:.3g} without it"
        figures.append(("Gain of the residual", f"{second['gain']:.4g}", f"error of a weight {before}"))
    return [
        *figures,
        ("Error of a cell", f"{result['error_rms_microsiemens']:.3g} µS", "root mean square, all cells"),
        ("Pulses", f"{result['pulses']:,}", f"at most {result['pulses_max_cell']} a cell"),
        ("Conversions", f"{result['reads']:,}", ""),
    ]


def show(result: dict[str, Any]) -> None:
    """Print what programming came to, and what did not reach its target."""
    console = Console(soft_wrap=True, highlight=False)
    verified = "reached" in result
    reads = f", {result['reads']} reads in {result['rounds']} rounds" if verified else ""
    console.print(
        f"{result['cells']} cells, {result['pulses']} pulses (at most {result['pulses_max_cell']} a cell){reads}; "
        f"distance from the targets: median {result['error_median_microsiemens']:.{_places(result)}f} uS, "
        f"root mean square {result['error_rms_microsiemens']:.{_places(result)}f} uS"
    )
    if not verified:
        return
    console.print(
        f"{result['reached']} cells ({100 * result['reached'] / result['cells']:.2f}%) are within "
        f"{result['tolerance_microsiemens']:g} uS"
    )
    if "noisy" in result:
        console.print(
            f"readings are known to {result['standard_error_median_siemens'] * 1e6:.3g} uS (median); "
            f"{len(result['noisy'])} cells are noisier than others, as of random telegraph noise, and were brought "
            f"there by their mean over all states; {len(result['denoised'])} more were quietened by small pulses; "
            f"{len(result['unquiet'])} are not known to the precision, and count as not reached"
        )
    if "working" in result:
        _show_weights(console, result)
    places = _places(result)
    for alone in (False, True):
        cells = [cell for cell in result["not_reached"] if cell.get("unreachable", False) == alone]
        _listed(console, [_missed(cell, places) for cell in cells])
    if "report" in result:
        console.print(f"report: {result['report']}")


def _show_weights(console: Console, result: dict[str, Any]) -> None:
    """Print what is said of weights alone."""
    working, reached = result["working"], result["reached_working"]
    limit, stuck = result["scale_limited_by"], result["stuck"]
    where = "" if limit is None else f", limited by row {limit[0]}, output {limit[1]}"
    if "map_rows" in result:
        columns = "pairs of columns as in the map"
    else:
        first = result["first_column"]
        columns = f"output j is in columns {first} + 2j (G+) and {first + 1} + 2j (G-)"
    console.print(
        f"{reached} of the {working} cells that are not known to be stuck ({100 * reached / max(working, 1):.2f}%); "
        f"{len(stuck)} are: --json lists them, and their partners make up for them where they can\n"
        f"{result['rows']} x {result['outputs']} weights, {result['scale_siemens'] * 1e6:.4g} uS a unit weight{where}; "
        f"{columns}\n"
        f"error of a weight: median {result['weight_error_median']:.4g}, root mean square "
        f"{result['weight_error_rms']:.4g}, at most {result['weight_error_max']:.4g}"
    )
    if "map_rows" in result:
        _show_map(console, result)
    if "residual" in result:
        second = result["residual"]
        console.print(
            f"residual in columns {second['columns'][0]}:{second['columns'][1]}, divided by {second['gain']:.4g}: "
            f"{second['reached']} of {second['cells']} cells, {second['pulses']} pulses; root mean square of the "
            f"weights' error {second['weight_error_rms_before']:.3g} without it, "
            f"{second['weight_error_rms']:.3g} with it"
        )
    _listed(
        console,
        [
            f"out of reach: weight {w['wanted']:.4g} of row {w['row']}, output {w['output']}, "
            f"at best {w['expected']:.4g}"
            for w in result["out_of_reach"]
        ],
    )


def _show_map(console: Console, result: dict[str, Any]) -> None:
    """Print where lines are that are not where they would be without the map."""
    rows = [f"{i} in {at}" for i, at in enumerate(result["map_rows"]) if at != result["first_row"] + i]
    pairs = [
        f"{j} in {plus}, {minus}"
        for j, (plus, minus) in enumerate(result["map_columns"])
        if plus != result["first_column"] + 2 * j
    ]
    number = result["rows"] * result["outputs"]
    before, after = ((result[f"expected_error_{when}"] / number) ** 0.5 for when in ("before", "after"))
    console.print(
        f"map of pass {result['passes']}: rows {'; '.join(rows) or 'as they are'}\n"
        f"outputs, with columns of G+ and G-: {'; '.join(pairs) or 'as they are'}\n"
        f"error of a weight that stuck cells leave, root mean square: {before:.4g} without the map, {after:.4g} with it"
    )


def _places(result: dict[str, Any]) -> int:
    """Return how many decimals of uS tell a reading from its target."""
    return max(2, 2 - floor(log10(result.get("tolerance_microsiemens", 1.0))))


def _missed(cell: dict[str, Any], places: int) -> str:
    seen, target = cell["reading_siemens"], cell["target_siemens"]
    found = "beyond the converter" if seen is None else f"{seen * 1e6:.{places}f} uS"
    what = "left alone" if cell.get("unreachable") else "not reached"
    return f"{what}: row {cell['row']}, column {cell['col']}: {found}, wanted {target * 1e6:.{places}f} uS"


def _listed(console: Console, texts: list[str]) -> None:
    """Print texts, as many as a terminal shows."""
    for text in texts[:MOST_LISTED]:
        console.print(text)
    if len(texts) > MOST_LISTED:
        console.print(f"and {len(texts) - MOST_LISTED} more: --json lists them all")
