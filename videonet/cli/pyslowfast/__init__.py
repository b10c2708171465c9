"""PySlowFast's configs: what their keys mean here."""
