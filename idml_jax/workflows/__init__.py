"""Step 1, the goal: one file a goal, from files to a report."""
