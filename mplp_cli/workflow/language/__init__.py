"""What stands between the brackets: references, expressions, conditions, templates, and references in shell scripts."""
