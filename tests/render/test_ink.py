from __future__ import annotations

import io
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mplp_cli.render.grid import grid, wrapped
from mplp_cli.render.ink import Line, cells, clip, write
from mplp_cli.render.theme import PLAIN, STATUS_STYLE, Theme, make_theme, safe, safe_output, shows_live
from mplp_cli.workflow.health import Status

HOSTILE = st.text(
    st.characters() | st.sampled_from("\x1b\r\n\t\a\x9b\u202e\u2066\ud800日👩\u0301"), max_size=60
)


@given(HOSTILE)
def test_safe_text_holds_nothing_a_terminal_obeys(text: str) -> None:
    shown = safe(text)
    assert all(ord(c) >= 0x20 and not 0x7F <= ord(c) <= 0x9F for c in shown)
    assert not set(shown) & set(
        "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u2028\u2029"
    )
    shown.encode()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[/red]", "[/red]"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("a\rb\nc", "a\\rb\\nc"),
        ("bell\a", "bell\\x07"),
        ("a\u202eb", "a\\u202eb"),
        ("\x9b1m", "\\x9b1m"),
        ("日本語", "日本語"),
    ],
)
def test_control_characters_are_shown_as_escapes_and_markup_as_it_is(text: str, shown: str) -> None:
    assert safe(text) == shown
    assert Line(text).plain == shown


def test_colours_of_a_steps_output_are_dropped_and_other_sequences_shown() -> None:
    assert safe_output("\x1b[1;31mred\x1b[0m\x1b[2K") == "red\\x1b[2K"


@given(HOSTILE, st.integers(0, 40))
def test_a_cut_text_fits(text: str, width: int) -> None:
    assert cells(clip(safe(text), width)) <= width


@given(st.lists(HOSTILE, max_size=5), st.integers(0, 40))
def test_a_cut_line_fits(texts: list[str], width: int) -> None:
    line = Line()
    for text in texts:
        line.add(text, "bad")
    short = line.fit(width)
    assert short.width <= width
    if line.width <= width:
        assert short.plain == line.plain


@given(HOSTILE, st.integers(2, 40))
def test_wrapped_lines_fit_and_lose_no_word(text: str, width: int) -> None:
    line = Line(text)
    parts = wrapped(line, width)
    assert all(part.width <= width for part in parts)
    assert "".join("".join(p.plain for p in parts).split()) == "".join(line.plain.split())


@given(st.lists(st.lists(HOSTILE, min_size=3, max_size=3), max_size=5), st.integers(20, 120))
def test_a_grid_fits_its_width(rows: list[list[str]], width: int) -> None:
    screen = grid(("A", "B", "C"), [[Line(c) for c in row] for row in rows], theme=PLAIN, width=width)
    assert all(line.width <= width for line in screen)


class FakeTerminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environ", "no_color", "color"),
    [
        ({"TERM": "xterm"}, False, True),
        ({"TERM": "xterm"}, True, False),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False, False),
        ({"TERM": "xterm", "NO_COLOR": ""}, False, True),
        ({"TERM": "dumb"}, False, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, False, True),
        ({"TERM": "xterm", "FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
        ({"TERM": "xterm", "FORCE_COLOR": "1"}, True, False),
    ],
)
def test_colour_follows_flag_then_environment_then_terminal(
    environ: dict[str, str], no_color: bool, color: bool
) -> None:
    assert make_theme(FakeTerminal(), environ, no_color=no_color).color is color


def test_a_pipe_has_no_colour_unless_forced() -> None:
    assert not make_theme(io.StringIO(), {}).color
    assert make_theme(io.StringIO(), {"FORCE_COLOR": "1"}).color


@pytest.mark.parametrize("term", ["dumb", "linux"])
def test_simple_terminals_get_ascii(term: str) -> None:
    assert not make_theme(FakeTerminal(), {"TERM": term}).unicode


def test_an_encoding_without_the_glyphs_gets_ascii() -> None:
    latin = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    theme = make_theme(latin, {})
    assert not theme.unicode
    assert all(theme.glyph(status).isascii() for status in STATUS_STYLE)


def test_every_status_of_a_step_has_a_glyph_of_its_own() -> None:
    steps = "pending queued running retrying waiting completed failed skipped omitted cancelled".split()
    for theme in (Theme(unicode=True), Theme(unicode=False)):
        glyphs = [theme.glyph(status) for status in steps]
        assert len(set(glyphs)) == len(glyphs)
        assert all(cells(glyph) == 1 for glyph in glyphs)


def test_every_status_of_a_component_has_a_glyph_and_a_style() -> None:
    for status in (*get_args(Status), "degraded"):
        assert Theme(unicode=True).glyph(status)
        assert STATUS_STYLE[status]


def test_what_the_stream_cannot_encode_is_written_as_an_escape() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    write(stream, [Line("日")], PLAIN)
    assert raw.getvalue() == b"\\u65e5\n"


def test_without_colour_no_escape_sequence_is_written() -> None:
    plain, colored = io.StringIO(), io.StringIO()
    write(plain, [Line("x", "bad")], Theme(color=False))
    write(colored, [Line("x", "bad")], Theme(color=True))
    assert plain.getvalue() == "x\n"
    assert colored.getvalue() == "\x1b[31mx\x1b[0m\n"


@pytest.mark.parametrize(
    ("environ", "live"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "xterm", "CI": "false"}, True),
        ({"TERM": "xterm", "CI": "true"}, False),
        ({"TERM": "dumb"}, False),
        ({}, False),
    ],
)
def test_the_live_view_needs_a_terminal_that_can_and_no_ci(environ: dict[str, str], live: bool) -> None:
    assert shows_live(FakeTerminal(), environ) is live
    assert not shows_live(io.StringIO(), environ)
