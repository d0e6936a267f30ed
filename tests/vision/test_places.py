"""Which place lies inside which, by name."""

from __future__ import annotations

from vision.places import Spot, inside, meet, narrower, shared_place, widest


def test_parts_lie_inside_and_halves_of_one_side():
    face, nose = Spot(("face",)), Spot(("nose",))
    assert inside(face, nose) and narrower(nose, face) and not inside(nose, face)
    assert inside(face, Spot(("face",), "left")) and not inside(Spot(("face",), "left"), nose)
    assert not meet(Spot(("cheeks",), "left"), Spot(("cheeks",), "right"))
    assert not inside(Spot(("face",), face=1), nose)


def test_what_two_places_share_has_the_name_of_the_smaller_one():
    crossing = Spot(("forehead", "crows_feet")), Spot(("eyes",), "left")
    assert shared_place(*crossing) == (("crows_feet",), "left")
    assert shared_place(Spot(("face",)), Spot(("t_zone",))) == (("t_zone",), None)


def test_regions_inside_others_of_a_list_are_left_out():
    assert widest(["mouth", "lips", "chin", "mouth"]) == ["mouth", "chin"]
    assert widest(["forehead"]) == ["forehead"]
