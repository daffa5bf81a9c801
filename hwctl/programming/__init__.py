"""Bringing cells to wanted conductances."""
