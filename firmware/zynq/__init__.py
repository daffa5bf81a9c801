"""A Zynq around the board: what Vivado and pynq are told of it."""
