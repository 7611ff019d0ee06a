"""Open-source projects that are known to misuse sessions, run under the plugin."""
