"""Formal proofs of blocks of the gateware, run by yowasp-sby."""
