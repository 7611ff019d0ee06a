"""The server as judge: what a statement really leaves in the session.

SQL runs on a direct connection with a snapshot of the session around each statement and
each end of a transaction. The differences are compared with what the reader says; the
real grammar (pglast) is a second judge. `python -m tests.oracle` runs PostgreSQL's own
regression suite this way, `tests/integration/test_oracle.py` our own statements.
"""
