"""A backend of the project's own, for the guarded one to stand over."""
