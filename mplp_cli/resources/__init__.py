"""The pool of the machine and of the settings: what there is, how well it is used, what will be needed."""
