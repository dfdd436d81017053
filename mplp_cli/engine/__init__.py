"""The driver around the fold: it carries commands out and feeds facts back."""
