"""The register map holds together."""

from itertools import pairwise

from hwctl.protocol.registers import RANGE, REGISTERS, WINDOWS, WORD_BYTES, offset_of, record_bytes


def test_registers_and_windows_lie_apart_and_within_the_range():
    places = [(r.offset, WORD_BYTES) for r in REGISTERS] + [(w.offset, w.most) for w in WINDOWS]
    for (offset, size), (following, _) in pairwise(sorted(places)):
        assert offset % WORD_BYTES == 0
        assert offset + size <= following
    last, size = max(places)
    assert last + size <= RANGE
    assert all(w.offset % w.most == 0 for w in WINDOWS), "a ring is found by the upper bits of an address"


def test_names_are_there_once_and_fields_do_not_overlap():
    assert len({r.name for r in REGISTERS}) == len(REGISTERS)
    for register in REGISTERS:
        assert offset_of(register.name) == register.offset
        taken = [bit for f in register.fields for bit in range(f.low, f.low + f.width)]
        assert len(set(taken)) == len(taken)
        assert all(bit < 8 * WORD_BYTES for bit in taken)


def test_a_record_ends_with_a_whole_word():
    assert [record_bytes(8, length) for length in (0, 1, 4, 5)] == [8, 12, 12, 16]
