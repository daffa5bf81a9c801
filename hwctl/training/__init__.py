"""In-situ training: network, mapping, optimizers, schedules, tasks."""
