"""The array in SI units: one driver class for every kind of board."""

from hwctl.crossbar.driver import Crossbar
from hwctl.crossbar.results import ArrayStatus, FormResult, PulseShape, VerifyResult

__all__ = ["ArrayStatus", "Crossbar", "FormResult", "PulseShape", "VerifyResult"]
