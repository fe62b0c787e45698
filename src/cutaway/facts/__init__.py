# What a repository does, detector by detector: each claim with the lines that prove it.
"""Facts about a repository."""
