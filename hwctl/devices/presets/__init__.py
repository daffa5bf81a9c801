"""Device models from published parameters, by name."""

from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType

from hwctl.devices import presetfile, varied
from hwctl.devices.device import Device
from hwctl.devices.presets.ecram import EcRam
from hwctl.devices.presets.hfox_1t1r import Hfox1T1R
from hwctl.devices.presets.linear import Linear
from hwctl.devices.presets.neurram import NeuRram
from hwctl.devices.presets.pcm import Pcm
from hwctl.devices.presets.reram_es import ReRamEs, ReRamEsNoWrite
from hwctl.devices.presets.tiox_passive import TioxPassive
from hwctl.errors import DeviceError

PRESETS: Mapping[str, type[Device]] = MappingProxyType(
    {preset.name: preset for preset in (Linear, ReRamEs, ReRamEsNoWrite, EcRam, Hfox1T1R, NeuRram, TioxPassive, Pcm)}
)


def get(name: str) -> Device:
    """Return a preset by name, or a device by the path of its preset file (see `presetfile.load_named`).

    'reram-es,c2c=2,d2d=0.5' is a preset with some of its noise multiplied (see `hwctl.devices.varied`). Raises
    DeviceError that lists the names, or says what is wrong with the file or the factors.
    """
    if presetfile.is_path(name):
        return presetfile.load_named(name)
    if "," in name:
        base, factors = varied.parsed(name)
        return varied.VariedDevice(get(base), factors)
    if name not in PRESETS:
        close = get_close_matches(name, PRESETS, 1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise DeviceError(f"no device '{name}'; {hint}known: {', '.join(PRESETS)}, and preset files by their path")
    return PRESETS[name]()
