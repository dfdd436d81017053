"""The order of steps that wait for steps, for any steps."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mplp_cli.modules.ordering import circle, dangling, longest_first, waves

NEEDS = st.dictionaries(
    st.sampled_from("abcdefgh"), st.lists(st.sampled_from("abcdefghx"), max_size=3), max_size=8
)


@given(needs=NEEDS)
def test_every_step_comes_once_and_after_what_it_waits_for_or_never(needs: dict[str, list[str]]) -> None:
    found, stuck = waves(needs)
    place = {step: index for index, wave in enumerate(found) for step in wave}
    assert sorted([*place, *stuck]) == sorted(needs)
    assert sum(map(len, found)) == len(place)
    for step, index in place.items():
        assert index == max((place[other] + 1 for other in needs[step]), default=0)
    for step in stuck:
        assert any(other not in place for other in needs[step])


@given(needs=NEEDS)
def test_all_can_be_done_unless_something_is_missing_or_goes_round(needs: dict[str, list[str]]) -> None:
    _, stuck = waves(needs)
    around = circle(needs)
    assert bool(stuck) == bool(around or dangling(needs))
    for step, following in zip(around, [*around[1:], *around[:1]], strict=True):
        assert following in needs[step]
    assert len(set(around)) == len(around)


@given(needs=NEEDS)
def test_the_longest_chain_stands_first_and_waves_stay_waves(needs: dict[str, list[str]]) -> None:
    found, _ = waves(needs)
    ordered = longest_first(needs, found)
    assert [sorted(wave) for wave in ordered] == [sorted(wave) for wave in found]
    after = {step: {other for other in needs if step in needs[other]} for step in needs}
    for wave in ordered:
        # Who is followed by nothing never stands before somebody who is followed by a step that can be done.
        leads = [any(other in {s for w in found for s in w} for other in after[step]) for step in wave]
        assert leads == sorted(leads, reverse=True)
