"""From the formulas of a traced model and a hardware sheet: how long, how much memory, how much money."""
