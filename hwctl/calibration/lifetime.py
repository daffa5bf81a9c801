"""Pulse counts of a chip's whole life: a board forgets them with its power, the chip's last record does not."""

import numpy as np

from hwctl.calibration.record import Record
from hwctl.crossbar import Crossbar
from hwctl.errors import RunError
from hwctl.protocol.packing import Region


def carry_on(crossbar: Crossbar, region: Region, record: Record) -> bool:
    """Give a board the lifetime counts of a chip's last record where it counts less; return whether that was so.

    What it has counted since it was switched on is added. Raises RunError where the record is of another device, region
    or shape.
    """
    kept = record.cells("lifetime_pulses").astype(np.int64)
    place = (record.attributes.get("row0", 0), record.attributes.get("col0", 0), *kept.shape)
    device = record.attributes.get("device")
    if device != crossbar.identity.device or place != (region.row0, region.col0, region.rows, region.cols):
        raise RunError(
            f"the record is of {device}, {place[2]} x {place[3]} cells from row {place[0]}, column {place[1]}; "
            f"the board has {crossbar.identity.device}, and {region.rows} x {region.cols} cells from row "
            f"{region.row0}, column {region.col0} are to be measured; name the last record of the same chip and region"
        )
    counted = crossbar.pulse_counts(region)
    if (counted >= kept).all():
        return False
    crossbar.load_pulse_counts(kept + counted, region)
    return True
