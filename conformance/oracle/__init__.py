"""Pure judgement: rows of a record in, checks and findings out. No I/O."""
