"""Memristor physics: the cell law, presets, wires, retention, disturb."""
