"""Everything that draws: screens, lines, reports and machine documents. The only place that knows of rich.

Screens are lists of `ink.Line`, made by pure functions of (data, now, width); text from files and
steps is escaped where it enters a line, so it can be neither markup nor a control sequence.
"""
