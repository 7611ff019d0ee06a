"""Random programs, on a connection of their own and on a guarded one behind a pooler.

`programs` makes them, `playing` plays one, `sides` has the two connections, `judging` says
where they differ. `python -m tests.settings_machine` is the long run.
"""
