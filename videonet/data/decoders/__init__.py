"""Readers of moving pictures, one per library, with the same four facts and one method: see `reader.Reader`."""
