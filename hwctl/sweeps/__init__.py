"""Many training runs at once: which (`spec`), on what (`workers`), and what came of them (`results`, `statistics`).

A sweep that was cut off goes on where its results file is named again: a run that is in the file is not run again.
"""
