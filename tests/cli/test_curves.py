from frostline.cli.curves import drawn

STYLES = {"up": ("●", "blue"), "flat": ("○", "yellow")}


def rows(places, columns=40, **curves):
    return drawn(places, curves, STYLES, columns).plain.splitlines()


def test_points_lie_where_their_logarithms_are_and_lines_between_them():
    lines = rows([1, 10, 100], up=[0.0, 0.5, 1.0], flat=[0.5, 0.5, 0.5])
    plot = [line.partition("│")[2] for line in lines[:11]]
    assert [line.index("●") for line in (plot[10], plot[5], plot[0])] == [0, 15, 30]
    assert plot[5].index("○") == 0  # the last is met at 15, where the first is seen
    assert plot[5].rindex("○") == 30
    assert all("·" in line or "●" in line for line in plot)
    assert lines[0].startswith("  100 % │")
    assert lines[10].startswith("    0 % │")
    assert lines[12].split() == ["1", "10", "100"]
    assert lines[13].split() == ["●", "up", "○", "flat"]


def test_the_figures_of_places_that_are_close_give_way_to_later_ones():
    assert rows([1, 90, 100], up=[0.1, 0.2, 0.3])[12].split() == ["1", "100"]


def test_one_place_is_drawn_and_alike_curves_too():
    lines = rows([7], up=[0.5], flat=[0.5])
    assert sum(line.count("●") for line in lines[:11]) == 1
    assert not any("○" in line for line in lines[:11])


def test_a_narrow_terminal_gets_a_narrow_curve():
    assert max(map(len, rows([1, 10], columns=24, up=[0.1, 0.9]))) <= 24
