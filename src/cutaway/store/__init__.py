# Answers are kept between runs, so that asking again costs neither torch nor seconds. An answer is given
# from here only if everything it was made from is unchanged; whatever goes wrong here, the command works
# as if there were no cache.
"""The cache of analyses: `find(request)` and `keep(request, …)`."""

from cutaway.store.entries import find, keep
from cutaway.store.folder import clean, location, size
from cutaway.store.request import Request

__all__ = ["Request", "clean", "find", "keep", "location", "size"]
