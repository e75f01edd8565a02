"""annotator_ops: one isolated free Label Studio for each annotator, and the statistics of what they said."""

__version__ = "0.1.0"
