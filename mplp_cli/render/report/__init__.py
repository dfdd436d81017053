"""A run as one page or one picture, and the graph of a workflow in four notations."""
