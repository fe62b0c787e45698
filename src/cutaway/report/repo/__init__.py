# The report of kind `repo`: facts, then paper.
