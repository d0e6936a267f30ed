"""Clean skin around a mark: what is averaged, what is not, and how far it reaches."""

from __future__ import annotations

import torch

from vision.surroundings import VIEWS, clean_skin, colour_of_skin, skin_tone, to_linear, to_srgb

SKIN = torch.tensor([0.8, 0.6, 0.5])[None, :, None, None]


def face() -> tuple[torch.Tensor, torch.Tensor]:
    """An even patch of skin (1, 3, 64, 64) with hair in its right quarter, and its skin mask."""
    crop, skin = SKIN.expand(1, 3, 64, 64).clone(), torch.ones(1, 1, 64, 64)
    crop[..., 48:], skin[..., 48:] = 0.05, 0
    return crop, skin


def test_linear_light_and_back():
    values = torch.linspace(0.01, 1, 50)
    torch.testing.assert_close(to_srgb(to_linear(values)), values)


def test_the_tone_is_that_of_the_skin_alone():
    torch.testing.assert_close(skin_tone(*face()), SKIN, atol=1e-4, rtol=0)


def test_even_skin_differs_from_itself_by_nothing():
    crop, skin = face()
    views = clean_skin(crop, skin, torch.zeros_like(skin), skin_tone(crop, skin))
    assert views.shape == (1, VIEWS, 3, 64, 64)
    assert views[..., :32].abs().max() < 1e-3  # the hair beside it is not averaged in


def test_a_marked_spot_is_filled_from_the_skin_around_it():
    crop, skin = face()
    clean, mark = crop.clone(), torch.zeros_like(skin)
    crop[..., 20:28, 20:28] *= 0.5
    mark[..., 20:28, 20:28] = 1
    views = clean_skin(crop, skin, mark, skin_tone(clean, skin))
    for view in views.unbind(dim=1):
        torch.testing.assert_close((crop + view)[..., 20:28, 20:28], clean[..., 20:28, 20:28],
                                   atol=2e-3, rtol=0)  # fmt: skip


def test_where_no_clean_skin_is_near_it_comes_from_afar():
    crop, skin = face()
    mark = torch.ones_like(skin)  # everything is to be taken away: only the tone is left
    tone = SKIN * 0.9
    views = clean_skin(crop, skin, mark, tone)
    torch.testing.assert_close(views[:, 0] + crop, tone.expand_as(crop))


def test_views_go_from_near_to_far():
    """Beside a step in the light, the nearest view follows it the most."""
    crop, skin = face()
    crop[..., :24] *= 0.7
    views = clean_skin(crop, skin, torch.zeros_like(skin), skin_tone(crop, skin))
    away = [view[..., 8:16].abs().mean().item() for view in views.unbind(dim=1)]
    assert away == sorted(away)
    assert away[0] < 0.5 * away[-1]


def test_a_shadow_changes_no_ratio_of_colours_and_blood_does():
    crop, skin = face()
    tone = skin_tone(crop, skin)
    light = to_linear(crop)
    light[..., :16] *= 0.6  # in the shade
    light[:, 1:, 16:32] *= 0.7  # flushed: green and blue are taken
    ratios = colour_of_skin(to_srgb(light), skin, tone)[:, :2]
    assert ratios[..., :16, :16].abs().max() < 0.15
    assert ratios[:, 0, 16:32, :16].abs().min() > 1


def test_a_wide_patch_stands_out_from_the_skin_around_it():
    crop, skin = torch.ones(1, 3, 256, 256) * SKIN, torch.ones(1, 1, 256, 256)
    crop[..., 112:144, 112:144] *= 0.8  # wider than any local contrast sees
    far = colour_of_skin(crop, skin, SKIN)[:, 2:]
    assert far[..., 116:140, 116:140].min() > 0.4
    assert far[..., :32, :32].abs().max() < 0.05
