# `python -m cutaway` is the command.
from cutaway.cli import main

if __name__ == "__main__":
    main()
