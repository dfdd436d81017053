"""Values arrive in a shell byte for byte, and nothing in them ever runs."""

from __future__ import annotations

import os
import random  # noqa: TID251 (seeded: the same values every time)
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mplp_cli.workflow.language.shelltext import Binding, ShellTextError, hoist

EXHAUSTIVE = os.environ.get("MPLP_EXHAUSTIVE") == "1"
_found = {
    os.path.realpath(path): shell
    for shell in ("dash", "bash", "busybox", "sh")
    if (path := shutil.which(shell))
}
SHELLS = sorted(_found.values())

#: A script, and what it must print when the reference has the value `<V>`.
CONTEXTS = [
    ("printf %s ${a.result.x}", "<V>"),
    ('printf %s "${a.result.x}"', "<V>"),
    ("printf %s '${a.result.x}'", "<V>"),
    ("printf %s $<a.result.x>", "<V>"),
    ("printf %s pre${a.result.x}post", "pre<V>post"),
    ('printf %s "pre ${a.result.x} post"', "pre <V> post"),
    ("printf %s 'pre ${a.result.x} post'", "pre <V> post"),
    ("printf %s a'b'${a.result.x}\"c${a.result.x}\"'${a.result.x}'", "ab<V>c<V><V>"),
    ('printf %s "it\'s ${a.result.x}"', "it's <V>"),
    ("printf %s '\"'${a.result.x}'\"'", '"<V>"'),
    ('x=${a.result.x}; printf %s "$x"', "<V>"),
    ('x=${a.result.x} y="-${a.result.x}"; printf %s "$x$y"', "<V>-<V>"),
    ('export X=${a.result.x}; printf %s "$X"; unset X', "<V>"),
    ('X=$(printf %s. ${a.result.x}); printf %s "${X%.}"', "<V>"),
    ('X="$(printf %s. "${a.result.x}")"; printf %s "${X%.}"', "<V>"),
    ('X="$(printf %s. \'${a.result.x}\')"; printf %s "${X%.}"', "<V>"),
    ('printf %s "$(printf %s "$(printf %s. ${a.result.x})")"', "<V>."),
    ('printf %s "$(case x in (y) ;; x) printf %s. ${a.result.x} ;; esac)"', "<V>."),
    ("cat <<EOF\n${a.result.x}\nEOF", "<V>\n"),
    ("cat <<EOF\n\"${a.result.x}\" '${a.result.x}' \\$x\nEOF", "\"<V>\" '<V>' $x\n"),
    ("cat <<-EOF\n\t$(printf %s. ${a.result.x})\n\tEOF", "<V>.\n"),
    ("cat <<'A'; cat <<B\n'\"`$x\nA\n${a.result.x}\nB", "'\"`$x\n<V>\n"),
    ('printf %s "${UNSET:-${a.result.x}}"', "<V>"),
    ("printf %s ${UNSET:-${a.result.x}}", "<V>"),
    ("printf %s ${UNSET:-'${a.result.x}'}", "<V>"),
    ('for x in ${a.result.x}; do printf %s "$x"; done', "<V>"),
    ("case ${a.result.x} in ${a.result.x}) printf %s yes ;; *) printf no ;; esac", "yes"),
    ("(printf %s ${a.result.x}) | cat", "<V>"),
    ("{ printf %s ${a.result.x} # it's ${a.result.x} \"\n}", "<V>"),
    ('f() { printf %s "$1"; }; f ${a.result.x}', "<V>"),
    ("sh -c 'printf %s \"$1\"' sh ${a.result.x}", "<V>"),
    ("printf %s \\\n  ${a.result.x} # ${a.result.x}", "<V>"),
    ('[ ${a.result.x} = "${a.result.x}" ] && printf %s yes', "yes"),
]
BASH_CONTEXTS = [
    ("cat <<< ${a.result.x}", "<V>\n"),
    ('cat <<< "x ${a.result.x}"', "x <V>\n"),
    ("arr=(1 ${a.result.x} '${a.result.x}'); printf %s \"${arr[1]}${arr[2]}\"", "<V><V>"),
    ("[[ x${a.result.x} == x${a.result.x} ]] && printf %s yes", "yes"),
    ("cat <(printf %s ${a.result.x})", "<V>"),
    ('declare d=${a.result.x}; printf %s "$d"', "<V>"),
]

BITS = [
    "'",
    '"',
    "`",
    "\\",
    "$",
    "*",
    "?",
    "[a]",
    "~",
    "#",
    "!",
    "-n",
    "-e",
    "--",
    " ",
    "\t",
    "\n",
    "\r\n",
    "\r",
    "é",
    "日本",
    "Á",
    "\u0081",
    "\u0088",
    "\U0001f600",
    "%s",
    "%d%n",
    "\x01",
    "\x02",
    "\x1b[31m",
    "\x7f",
    "{a,b}",
    "$(touch canary)",
    "`touch canary`",
    "; touch canary;",
    "&& touch canary",
    "| tee canary",
    "\ntouch canary\n",
    "'; touch canary; '",
    '"; touch canary; "',
    "$((1+1))",
    "<(touch canary)",
    ">canary",
    "$HOME",
    "${PATH}",
    "EOF",
    "\nEOF\ntouch canary\n",
    "\nA\n",
    "\nB\n",
    "a[$(touch canary)]",
    ")",
    "}",
    "esac",
    "${a.result.x}",
    "x",
    "=",
    "/etc/*",
]


def hostile_values(count: int, seed: int) -> list[str]:
    rnd = random.Random(seed)
    values = [*BITS, "", *(f"{bit}\n" for bit in BITS)]
    while len(values) < count:
        values.append("".join(rnd.choice(BITS) for _ in range(rnd.randint(1, 6))))
    return values[:count] if count > len(BITS) else values


def printed(shell: str, scripts: list[tuple[str, str]], folder: Path) -> list[bytes]:
    """What each script prints with its value in MPLP_V1; all of them in one shell."""
    lines = [f'MPLP_V1=$V{n}\n{script}\nprintf "\\000"' for n, (script, _) in enumerate(scripts)]
    (folder / "script").write_text("export MPLP_V1\n" + "\n".join(lines), "utf-8", newline="")
    env = {b"V%d" % n: value.encode() for n, (_, value) in enumerate(scripts)}
    done = subprocess.run(
        [shell, *(["sh"] if shell == "busybox" else []), "../script"],
        cwd=folder / "empty",
        env=env | {b"PATH": b"/usr/bin:/bin", b"LC_ALL": b"C.UTF-8"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    return done.stdout.split(b"\0")[:-1]


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("shell", SHELLS)
def test_hostile_values_arrive_byte_for_byte_and_run_nothing(shell: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    contexts = CONTEXTS + (BASH_CONTEXTS if shell == "bash" else [])
    values = hostile_values(10_000 if EXHAUSTIVE else 110, seed=3)
    for start in range(0, len(values), 8):
        cases = [(c, value) for value in values[start : start + 8] for c in contexts]
        scripts = [(hoist(script).script, value) for (script, _), value in cases]
        outputs = printed(shell, scripts, tmp_path)
        assert len(outputs) == len(cases)
        for ((script, expected), value), output in zip(cases, outputs, strict=True):
            assert output == expected.replace("<V>", value).encode(), (shell, script, value)
        assert not list((tmp_path / "empty").iterdir()), "a canary was written"


def nested_word(rnd: random.Random, depth: int) -> tuple[str, str]:
    """A word with references in nested quotes and substitutions, and the text that it stands for."""
    kind = rnd.randint(0, 12 if depth else 6)
    plain = {
        0: ("${a.r}", "<V>"),
        1: ('"x ${a.r} \'y"', "x <V> 'y"),
        2: ("'x ${a.r} \"y'", 'x <V> "y'),
        3: ("\\'\\\"\\$\\#a#b", "'\"$#a#b"),
        4: ("'#'\"'\"'\"'$((1+2))`printf '%s' \"x\"`", "#'\"3x"),
        5: ('"\\"${a.r}\\$\\`"', '"<V>$`'),
        6: ("$<a.r>'$<a.r>'", "<V><V>"),
    }
    if kind in plain:
        return plain[kind]
    (one, first), (two, second) = nested_word(rnd, depth - 1), nested_word(rnd, depth - 1)
    end, (flat, third) = f"E{rnd.randint(0, 10**9)}", nested_word(rnd, 0)
    return {
        7: (one + two, first + second),
        8: (f"\"a$(printf '%s|' {one})${{a.r}}$(printf %s. {two})\"", f"a{first}|<V>{second}."),
        9: (
            f'"$(cat <<{end}; printf %s. {flat}\n ${{a.r}} \'$(printf %s. {two})" \\$\n{end}\n)"',
            f" <V> '{second}.\" $\n{third}.",
        ),
        10: (f"\"$(case {one} in (')') ;; {one}) printf %s. {two} ;; esac)\"", f"{second}."),
        11: (f'"$( # it\'s ) "\n( {{ printf %s. {one}; }} ) | cat)${{UNSET:-${{a.r}}}}"', f"{first}.<V>"),
        12: (f"${{UNSET:-{one}}}", first),
    }[kind]


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("shell", SHELLS)
def test_nested_quotes_and_substitutions_are_followed(shell: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    rnd = random.Random(7)
    values = hostile_values(400, seed=5)
    for _ in range(200 if EXHAUSTIVE else 3):
        words = [(*nested_word(rnd, rnd.randint(1, 3)), rnd.choice(values)) for _ in range(60)]
        scripts = [(hoist(f"printf %s {word}").script, value) for word, _, value in words]
        outputs = printed(shell, scripts, tmp_path)
        assert len(outputs) == len(words)
        for (word, expected, value), output in zip(words, outputs, strict=True):
            assert output == expected.replace("<V>", value).encode(), (shell, word, value)
        assert not list((tmp_path / "empty").iterdir()), "a canary was written"


REFUSED = {
    "shell-eval": [
        "eval echo ${a.r}",
        'eval "${a.r}"',
        ". ${a.r}",
        "source '${a.r}'",
        "trap 'rm ${a.r}' EXIT",
        "alias x=${a.r}",
        "if true; then eval ${a.r}; fi",
        "f() { eval ${a.r}; }",
        "function f { eval ${a.r}; }",
        "x=1 eval ${a.r}",
        "command eval ${a.r}",
        "for x do eval ${a.r}; done",
        "true && eval ${a.r}",
        "case x in x) eval ${a.r};; esac",
        'echo "$(eval ${a.r})"',
        "! eval ${a.r}",
        'eval "$(echo ${a.r})"',
    ],
    "shell-nested-program": [
        'sh -c "echo ${a.r}"',
        "bash -lc 'echo ${a.r}'",
        "/bin/dash -ec ${a.r}",
        "bash -e -o pipefail -c 'x ${a.r}'",
        'sudo -u x bash -c "${a.r}"',
        "find . -exec sh -c 'x ${a.r}' \\;",
        "ls | xargs sh -c 'echo ${a.r}'",
        "python3 -c 'print(\"${a.r}\")'",
        "python3.11 -Ic ${a.r}",
        "perl -ne 'print \"${a.r}\"'",
        'node -e "${a.r}"',
        "node --eval=${a.r}",
        "ruby -e ${a.r}",
        "awk '{print \"${a.r}\"}' f",
        'sed "s/x/${a.r}/" f',
        "sed -ne ${a.r} f",
        "watch echo ${a.r}",
        "$SHELL -c ${a.r}",
        'su - user -c "x ${a.r}"',
        "bash <(echo ${a.r})",
        'sh -c "$(echo ${a.r})"',
        'sh -c "$(cat <<E\n${a.r}\nE\n)"',
        "docker exec web sh -c ${a.r}",
        "sh -ic -x ${a.r}",
    ],
    "shell-remote-program": ['ssh host "echo ${a.r}"', "ssh -p 22 host echo ${a.r}"],
    "shell-piped-program": [
        "echo ${a.r} | sh",
        "echo ${a.r} | sudo bash -s",
        "{ echo ${a.r}; } | bash",
        "(echo ${a.r}) | sh",
        "sh <<< ${a.r}",
        "bash <<E\necho ${a.r}\nE",
        "cat <<E | sh\n${a.r}\nE",
        "cat <<E |\n${a.r}\nE\nsh",
        "ssh host <<E\n${a.r}\nE",
        "echo ${a.r} | tee f | python3 -",
        "echo ${a.r} |\nsh",
    ],
    "shell-backticks": ["echo `echo ${a.r}`", 'echo "`echo ${a.r}`"', "cat <<E\n`${a.r}`\nE"],
    "shell-arithmetic": [
        "echo $((${a.r}+1))",
        'echo "$((${a.r}+1))"',
        "((x=${a.r}))",
        "for ((i=0; i<${a.r}; i++)); do :; done",
        "let x=${a.r}",
        "echo $[ ${a.r} ]",
        "[[ ${a.r} -eq 1 ]]",
        "[[ a && ( 1 -lt ${a.r} ) ]]",
        "echo $(( $(echo ${a.r}) ))",
    ],
    "shell-ansi-quote": ["echo $'${a.r}'"],
    "shell-quoted-heredoc": ["cat <<'E'\n${a.r}\nE", 'cat <<"E"\n${a.r}\nE', "cat <<\\E\n${a.r}\nE"],
    "shell-parameter": [
        "echo ${x#${a.r}}",
        'echo "${x/${a.r}/y}"',
        "echo ${x:${a.r}}",
        'echo "${x:-"${a.r}"}"',
    ],
    "shell-subscript": ["x[${a.r}]=1", "arr=([${a.r}]=1)"],
    "shell-variable-name": [
        "unset ${a.r}",
        "read ${a.r}",
        "printf -v ${a.r} x",
        "declare -i x=${a.r}",
        "local -n x=${a.r}",
        "export ${a.r}=1",
        "[ -v ${a.r} ]",
        "[[ -v ${a.r} ]]",
        "mapfile ${a.r}",
    ],
    "shell-unclear": [
        "echo '${a.r}",
        'echo "${a.r}',
        "echo $(echo ${a.r}",
        "cat <<E\n${a.r}",
        "echo ${a.r})",
        "cat <<$x\n${a.r}\nE",
        "echo $'it\\'s' ${a.r}",
        "cat <<E $(\n:)\nE\necho ${a.r}",
        "echo ${a.r} `x",
        "echo \"${x:-'${a.r}'}\"",
    ],
    "shell-reference": ["echo ${a.r", "echo ${a.r | default('x)}"],
}


@pytest.mark.parametrize(
    ("code", "script"), [(code, script) for code, scripts in REFUSED.items() for script in scripts]
)
def test_a_place_that_parses_the_value_again_is_refused(code: str, script: str) -> None:
    with pytest.raises(ShellTextError) as caught:
        hoist(script)
    assert caught.value.code == code
    assert 0 <= caught.value.offset <= len(script)
    assert caught.value.hint


UNTOUCHED = [
    "echo $HOME ${HOME} $(date) ${VAR:-x} ${file%.*} ${#x} ${x//a/b} $$ $? `id` $((1+1)) ${VERSION-1.0}",
    "# see ${a.result.x}\necho 1",
    "echo ${item} ${index} ${items[0]}",
    "cat <<'EOF'\n${user:-name}\nEOF",
    "echo 'unclosed",
    "",
]


@pytest.mark.parametrize("script", UNTOUCHED)
def test_what_belongs_to_the_shell_stays_as_it_is(script: str) -> None:
    assert hoist(script).script == script
    assert hoist(script).bindings == ()


def test_comments_and_escaped_dollars_beside_a_reference_stay_as_they_are() -> None:
    script = 'echo ${a.r} \\${b.r} "\\${c.r}" a#${a.r} # ${d.r} it\'s'
    assert hoist(script).script == 'echo "${MPLP_V1}" \\${b.r} "\\${c.r}" a#"${MPLP_V1}" # ${d.r} it\'s'


def test_the_same_reference_has_one_variable_and_offsets_point_at_the_first() -> None:
    hoisted = hoist("echo ${a.r} \"${ b.r }\" ${b.r | upper} '${a.r}' ${b.r}")
    assert hoisted.bindings == (
        Binding("MPLP_V1", "a.r", 5),
        Binding("MPLP_V2", "b.r | upper", 23),
        Binding("MPLP_V3", "b.r", 47),
    )


def test_a_doubled_dollar_before_a_reference_is_literal_text_for_the_shell() -> None:
    assert (
        hoist("echo '$${a.r}'; cat <<'E'\n$${user.name}\nE").script
        == "echo '${a.r}'; cat <<'E'\n${user.name}\nE"
    )
    assert hoist("echo $${a.r} $$ $$${a.r}").script == 'echo ${a.r} $$ $$"${MPLP_V1}"'


def test_loop_names_are_ours_only_while_they_are_in_force() -> None:
    script = "echo ${item} ${item.name} ${index} ${item:-x} $<item>"
    hoisted = hoist(script, frozenset({"item", "index"}))
    assert hoisted.script == 'echo "${MPLP_V1}" "${MPLP_V2}" "${MPLP_V3}" ${item:-x} "${MPLP_V1}"'
    assert [binding.source for binding in hoisted.bindings] == ["item", "item.name", "index"]
    assert hoist("echo ${item} ${a.r}").script == 'echo ${item} "${MPLP_V1}"'


ALLOWED = [
    "sh -c 'echo \"$1\"' sh ${a.r}",
    "python3 script.py -c ${a.r}",
    "python3 -m tool -c ${a.r}",
    "awk '{print}' ${a.r}",
    "sed -n -e 's/a/b/' ${a.r}",
    "awk -f prog.awk ${a.r}",
    "echo ${a.r} | python3 -c 'import sys'",
    "ssh ${a.r} uptime",
    "echo ${a.r} | ssh host 'cat > f'",
    "read -p ${a.r} x",
    "[ ${a.r} -eq 1 ]",
    "echo x | sh; echo ${a.r}",
    "bash ${a.r}",
    "cat <<E | python3 script.py\n${a.r}\nE",
    "export X=${a.r}",
    'echo ${a.r} > "${b.r}" 2>&1',
    "echo ${a.r} &>> f",
    "x=$(case y in (z) ;; y) echo ${a.r};; esac)",
    "if [[ $x =~ ^(a|b)$ ]]; then echo ${a.r}; fi",
    "timeout 5 cmd ${a.r}",
    'while read -r l; do echo "$l" ${a.r}; done < f',
    "echo {a,${a.r}}",
    '"${a.r}" -m pytest',
    "echo ${a.r} & wait",
]


@pytest.mark.parametrize("script", ALLOWED)
def test_ordinary_scripts_are_not_refused(script: str) -> None:
    assert "a.r" not in hoist(script).script


@given(
    st.lists(
        st.sampled_from(
            [*BITS, "${a.r}", "<<E", "\nE\n", "$(", "((", "case x in ", "${x:-", "sh -c ", "|", "|| "]
        ),
        max_size=12,
    )
)
def test_any_text_is_hoisted_or_refused_with_a_place(pieces: list[str]) -> None:
    script = "".join(pieces)
    try:
        places = [binding.offset for binding in hoist(script).bindings]
    except ShellTextError as error:
        places = [error.offset]
    assert all(0 <= place <= len(script) + 1 for place in places)


def test_a_long_script_takes_time_in_proportion() -> None:
    script = "echo \"line $x ${y:-z}\" 'text' $(date) # note\n" * 20_000 + "echo ${a.r}"
    assert hoist(script).script.endswith('echo "${MPLP_V1}"')
    with pytest.raises(ShellTextError, match="nested"):
        hoist("$(" * 5000 + "${a.r}")
