"""The cases of the area `gp`, by what is done: exact (fit), online (queries, updates), many."""
