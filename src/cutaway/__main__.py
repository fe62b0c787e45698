# `python -m cutaway` is the command. Python puts the folder one stands in ahead of all others to import from; its files are
# what is read, and none of them is to run in the place of a module of its name: not `pathlib.py` either.
# ruff: noqa: PTH100, PTH109, PTH120
import os
import sys

here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if not sys.flags.safe_path and sys.path[:1] == [os.getcwd()] != [here]:
    del sys.path[0]

from cutaway.cli import main  # noqa: E402

if __name__ == "__main__":
    main()
