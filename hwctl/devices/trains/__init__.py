"""A device of tables from pulse trains that a user measured: their CSV, smooth curves through them, and the fit."""
