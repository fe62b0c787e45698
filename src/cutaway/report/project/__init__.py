# The report of kind `project`: how a program lives, which states it has, what runs beside what.
