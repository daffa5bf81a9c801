"""hwctl trains neural networks on memristor crossbar arrays with the hardware in the loop."""

__version__ = "0.1.0"
