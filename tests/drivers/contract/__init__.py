"""What every driver keeps to: the same tests over each way to the database."""
