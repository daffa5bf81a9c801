"""The gateware: an FPGA that executes the commands of `hwctl.protocol` behind a UART and holds an emulated crossbar.

Bytes take one way through it:

    front    UART, COBS, CRC-32, session: each command comes out once, in order
    engine   unpacks and checks a command, drives the array, writes the reply
    port     the narrow interface between both: an analog front end will stand where the emulated array stands
    array    the emulated crossbar: the cell law of docs/cell-law.md, one cell-pulse a clock and lane
"""
