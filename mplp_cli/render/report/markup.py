"""Elements of SVG and HTML as text that is escaped where it enters."""

from __future__ import annotations

from markupsafe import Markup

from mplp_cli.render.junit import attribute, text


def tag(name: str, *inside: str, **attributes: object) -> Markup:
    """An element. `inside` is text, or elements; of names a trailing `_` is dropped, others stand for `-`."""
    named = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{attribute(_value(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    body = "".join(one if isinstance(one, Markup) else text(one) for one in inside)
    return Markup(f"<{name}{named}>{body}</{name}>" if body else f"<{name}{named}/>")  # noqa: S704 - escaped above


def joined(parts: list[Markup]) -> Markup:
    """Elements behind each other."""
    return Markup("".join(parts))  # noqa: S704 - they are escaped each


def _value(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
