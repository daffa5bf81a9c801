"""The front end: from the pins of a UART to whole commands, each once and in order, and back."""
