"""What trips of a physical board mean, for messages."""

from collections.abc import Mapping
from types import MappingProxyType

from hwctl.protocol.codes import Trip

MEANINGS: Mapping[Trip, str] = MappingProxyType(
    {
        Trip.AMPLITUDE: "a voltage above a limit was to be driven",
        Trip.WIDTH: "a pulse was cut at its limit",
        Trip.CONFLICT: "a driver was closed against another, or against ground",
        Trip.ORDER: "a driver was closed too soon",
        Trip.SILENCE: "no frame came for too long",
        Trip.FRAMING: "too many frames were damaged",
        Trip.RATE: "too many pulses of one cell in a second",
        Trip.BUDGET: "a cell has had all pulses that it may take",
        Trip.OVER_CURRENT: "a cell drew more than it may",
        Trip.READBACK: "a DAC does not hold the code that it was sent: check its lines and its supply",
    }
)


def trips_of(faults: int) -> Trip:
    """Return the trips among the faults of a STATUS; bits that this version does not know are left out."""
    return Trip(faults & sum(int(trip) for trip in Trip))


def named(trips: Trip) -> dict[str, str]:
    """Return what each of the trips means, by its name."""
    return {str(trip.name): meaning for trip, meaning in MEANINGS.items() if trip in trips}


def said(trips: Trip) -> str:
    """Return the names of trips, and what they mean."""
    return ", ".join(f"{name} ({meaning})" for name, meaning in named(trips).items())
