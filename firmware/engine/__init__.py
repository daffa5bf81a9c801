"""The command engine: unpacks and checks a command, drives the array, writes the reply."""
