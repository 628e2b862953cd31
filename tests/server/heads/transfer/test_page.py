"""The page of a report on transfer: whole, harmless, and drawn where the figures are."""

# ruff: noqa: RUF001 - the page has signs of its own for minus and times

import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from frostline.server.heads.interval import Interval
from frostline.server.heads.transfer import page, plots
from frostline.server.heads.transfer.report import LabelSaving, Verdict
from frostline.server.heads.transfer.scales import Scale, apart, share_ticks
from made_transfer import SHOTS, point, transfer_report

VOID = {"meta", "br"}


class Checked(HTMLParser):
    """Reads a page strictly: what opens closes, and in the right order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.texts = [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


def test_a_page_says_all_that_the_report_says():
    report = transfer_report()
    checked = Checked(page.html(report))
    for said in (
        "POSITIVE",
        report.reason,
        "320 examples of 10 classes to learn from, 80 held out; 10 draws.",
        "7.25× fewer",
        "44 labels instead of 320 for 74.1 %",
        "+18.4 points",
        "6.90 s",
        "75.1 % (73.1 to 77.1) 26.3 % (24.3 to 28.3) +48.8 (+46.3 to +51.3) < 0.001 0.012 41.5, 7.2",
        "0.950 − 0.500 n −0.40 95.0 % (93.0 to 97.0)",
        "TF-IDF and logistic regression 71.0 % chosen",
        "pixels and logistic regression unknown",
        "Half of each class was held out.",
        "a" * 64,
        "61 heads and 61 baselines were trained in 1 min 24 s",
    ):
        assert said in checked.text, said


def test_a_page_of_what_is_not_known_says_so_and_nothing_else():
    report = transfer_report(
        verdict=Verdict.INCONCLUSIVE,
        encoder="",
        head_growth=None,
        scratch_growth=None,
        higher_asymptote=None,
        crossover=57.3,
        seconds=transfer_report().seconds.model_copy(update={"embedding": None, "saved": -65.0}),
        split=transfer_report().split.model_copy(update={"given": True}),
    )
    text = Checked(page.html(report)).text
    for said in (
        "Do these vectors help?",
        "INCONCLUSIVE",
        "none fits",
        "they cross at 57",
        "−1 min 5 s",
        "The held-out examples were given.",
    ):
        assert said in text, said
    for unsaid in ("would end", "to embed", "power laws lead", "None"):
        assert unsaid not in text.replace("would end at", ""), unsaid


def test_nothing_is_loaded_from_elsewhere_and_nothing_runs():
    checked = Checked(page.html(transfer_report()))
    names = {name for name, _ in checked.tags}
    assert not names & {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
    loading = {"src", "href", "xlink:href", "action", "data", "style", "srcset"}
    assert not [found for _, found in checked.tags if loading & found.keys() or any(n.startswith("on") for n in found)]
    html = page.html(transfer_report())
    assert not re.search(r"@import|https?:", html)
    assert set(re.findall(r"url\([^)]*\)", html)) == {"url(#tip)"}
    (policy,) = (found for _, found in checked.tags if found.get("http-equiv") == "Content-Security-Policy")
    assert policy["content"].startswith("default-src 'none'")


def test_names_are_text_whatever_they_hold():
    bad = "<script>alert(1)</script>"
    report = transfer_report(encoder=bad, reason=bad, recipe=bad)
    checked = Checked(page.html(report))
    assert "script" not in {name for name, _ in checked.tags}
    assert checked.text.count(bad) >= 4


def test_light_and_dark_have_the_same_colors():
    style = page.html(transfer_report()).partition("<style>")[2].partition("</style>")[0]
    light, dark = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    assert set(re.findall(r"--[a-z]+", light)) == set(re.findall(r"--[a-z]+", dark))
    assert "prefers-color-scheme: dark" in style


def test_curves_are_drawn_where_the_figures_are():
    drawn = plots.curves(transfer_report())
    scratch, head = drawn.curves
    assert (scratch.kind, head.kind) == ("scratch", "head")
    places = [mark.x for mark in head.marks]
    assert [mark.x for mark in scratch.marks] == places
    steps = [right - left for left, right in pairwise(places)]
    assert steps == pytest.approx([steps[0]] * len(steps), abs=0.2)  # doublings are alike
    ticks = {tick.figure: tick.at for tick in drawn.frame.y_ticks}
    assert ticks == {0.2: drawn.frame.bottom, 0.4: ticks[0.4], 0.6: ticks[0.6], 0.8: ticks[0.8], 1.0: drawn.frame.top}
    middle = (ticks[0.8] + ticks[0.6]) / 2
    for curve, mark in ((head, head.marks[0]), (scratch, scratch.marks[-1])):
        assert curve.path.count(",") == len(SHOTS)
        assert f"{mark.x:g},{mark.y:g}" in curve.path
    for mark in (*head.marks, *scratch.marks):
        share = 0.7 + (middle - mark.y) / (ticks[0.6] - ticks[0.8]) * 0.2
        assert share == pytest.approx(mark.figure.value, abs=0.001)
        assert mark.high < mark.y < mark.low
    assert len(head.draws) == 10 * (len(SHOTS) - 1)  # the last point has one draw only, which is its mark
    three_points = (
        (ticks[0.6] - ticks[0.8]) * 0.03 / 0.2
    )  # the first draw of the head is its worst, from scratch its best
    assert head.draws[0][1] - head.marks[0].y == pytest.approx(three_points, abs=0.2)
    assert scratch.draws[0][1] - scratch.marks[0].y == pytest.approx(-three_points, abs=0.2)
    assert drawn.saving.y == pytest.approx(scratch.marks[-1].y)
    assert drawn.saving.end < drawn.saving.start == scratch.marks[-1].x
    assert head.ahead.startswith(f"M{head.marks[-1].x:g},{head.marks[-1].y:g}L")
    assert [tick.more for tick in drawn.frame.x_ticks] == ["1", "2", "4", "8", "16", "all"]


def test_gains_are_drawn_around_zero_and_the_last_figures_win_where_two_would_meet():
    points = [*map(point, (1, 30, 31), (0.5, 0.6, 0.7), (0.6, 0.6, 0.6))]
    drawn = plots.gains(transfer_report(points=tuple(points)))
    assert drawn.marks[0].y > drawn.zero == drawn.marks[1].y > drawn.marks[2].y
    above, below = drawn.alike
    assert above < drawn.zero < below
    assert [tick.figure for tick in drawn.frame.x_ticks] == [10, 310]


def test_one_point_alone_is_drawn():
    only = point(3, 0.5, 0.5, everything=True)
    alike = LabelSaving(
        factor=Interval(value=1, low=1, high=1),
        accuracy=0.5,
        head_examples=30,
        scratch_examples=30,
        at_least=True,
        at_most=True,
    )
    report = transfer_report(points=(only,), label_saving=alike, head_growth=None, scratch_growth=None)
    assert plots.curves(report).saving is None
    assert "50.0 %" in Checked(page.html(report)).text


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.26, 0.92, [0.2, 0.4, 0.6, 0.8, 1.0]),
        (0.5, 0.5, [0.5, 0.505]),
        (-0.012, 0.01, [-0.015, -0.01, -0.005, 0, 0.005, 0.01]),
    ],
)
def test_ticks_are_round_and_hold_the_figures(low, high, ticks):
    assert share_ticks(low, high) == ticks


def test_names_that_would_meet_move_apart_and_keep_their_order():
    assert apart(100, 101, 18) == (91.5, 109.5)
    assert apart(101, 100, 18) == (109.5, 91.5)
    assert apart(100, 150, 18) == (100, 150)


def test_a_scale_reaches_from_end_to_end():
    scale = Scale(10, 1000, 50, 250, logarithmic=True)
    assert [scale(each) for each in (10, 100, 1000)] == [50, 150, 250]


@pytest.mark.parametrize(
    ("factor", "at_least", "at_most", "said"),
    [
        (7.254, False, False, "7.25× fewer"),
        (3, True, False, "at least 3× fewer"),
        (0.2, True, False, "at most 5× more"),
    ],
)
def test_labels_saved_in_words(factor, at_least, at_most, said):
    saving = transfer_report().label_saving.model_copy(
        update={"factor": Interval(value=factor, low=1, high=9), "at_least": at_least, "at_most": at_most}
    )
    assert page.fewer(saving) == said


@pytest.mark.parametrize(("share", "said"), [(0.1234, "+12.3"), (-0.1, "−10.0"), (0.0001, "0.0"), (-0.0001, "0.0")])
def test_differences_keep_their_sign_unless_there_is_none(share, said):
    assert page.points(share) == said
