"""The real gateware without a board: Verilated, with its UART pins behind a pseudo-terminal."""
