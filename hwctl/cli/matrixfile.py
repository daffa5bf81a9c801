"""Files of numbers that `hwctl program` takes: weights as .npy or .csv, conductances as .csv."""

from pathlib import Path
from typing import TYPE_CHECKING

from hwctl.errors import BadInput

if TYPE_CHECKING:
    from hwctl.crossbar.results import Floats


def load_weights(file: Path) -> "Floats":
    """Return the weights (rows, outputs) of a .npy or .csv file. Raises BadInput that says what is wrong with it."""
    import numpy as np  # noqa: PLC0415

    if file.suffix.lower() == ".csv":
        weights = load_csv(file, "weights")
    elif file.suffix.lower() == ".npy":
        weights = _load_npy(file)
    else:
        raise BadInput(f"{file} is no .npy and no .csv by its name; give weights as one of these")
    if weights.ndim != 2 or weights.size == 0:
        raise BadInput(f"{file} holds an array of shape {weights.shape}; give rows x outputs, one weight or more")
    bad = np.argwhere(~np.isfinite(weights))
    if bad.size:
        row, output = bad[0]
        raise BadInput(
            f"{file} holds {len(bad)} weights that are NaN or infinite, first at row {row}, output {output}; correct it"
        )
    if not weights.any():
        raise BadInput(f"{file} holds zeros alone, which set no scale; give a weight that is not 0")
    return weights


def _load_npy(file: Path) -> "Floats":
    import numpy as np  # noqa: PLC0415

    try:
        found = np.load(file, allow_pickle=False)
    except (OSError, EOFError, ValueError, SyntaxError) as error:
        reason = str(error).partition("\n")[0]
        raise BadInput(f"{file} cannot be read ({reason}); save a float array with numpy.save") from None
    if not isinstance(found, np.ndarray) or found.dtype.kind not in "fiu":
        kind = found.dtype if isinstance(found, np.ndarray) else "several arrays"
        if not isinstance(found, np.ndarray):
            found.close()
        raise BadInput(f"{file} holds {kind}; save one array of real numbers with numpy.save")
    return np.asarray(found, np.float64)


def load_csv(file: Path, what: str) -> "Floats":
    """Return the numbers of a CSV file (rows, cols); what they are, for messages.

    Raises BadInput that names file and line.
    """
    import numpy as np  # noqa: PLC0415

    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{file} cannot be read ({error}); give a CSV file of {what}") from None
    found: list[list[float]] = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            values = [float(cell) for cell in line.split(",")]
        except ValueError:
            raise BadInput(f"{file}, line {number}: '{line[:40]}' is no list of numbers; give {what}") from None
        if not np.isfinite(values).all() or (found and len(values) != len(found[0])):
            raise BadInput(
                f"{file}, line {number}: NaN, infinite, or another number of columns than line 1; correct it"
            )
        found.append(values)
    if not found:
        raise BadInput(f"{file} is empty; give a line of {what} for each row")
    return np.array(found)
