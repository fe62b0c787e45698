"""Answers made readable: one builder per report, one renderer per format."""
