"""The mailbox: a board on a memory bus, in the place of the UART front end."""
