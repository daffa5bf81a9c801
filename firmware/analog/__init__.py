"""The analog front end: in the emulated array's place where converters, switches and gates drive a real one."""
