"""The pytest plugin of pgpoolsafe: see docs/testing.md. Importing it does nothing."""
