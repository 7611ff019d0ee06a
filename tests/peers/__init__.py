"""The test suites of what is guarded, run with the guard in every interpreter.

`python -m tests.peers` fetches them, runs them on a direct connection without the library and
with it, which must be the same test by test, and behind PgBouncer without and with it, where
the tests that the library does not make pass are listed with the reason
(`tests/peers/*.tsv`). See docs/peers.md.
"""
