"""What a transaction pooler does to code written for a plain connection, shown on real servers.

Run it with `make demo`. Every scene is played twice by the same code: without the guard, and
with each connection handed to `pgpoolsafe.install` first.
"""
