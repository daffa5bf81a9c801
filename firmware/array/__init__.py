"""The emulated crossbar: cells, noise and converters, as docs/cell-law.md writes them down."""
