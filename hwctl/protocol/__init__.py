"""What host and board agreed: typed commands and replies and their packed encoding. No I/O."""
