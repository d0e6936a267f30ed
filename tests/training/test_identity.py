"""The pupil that tells whether a face is the same: what it is shown, what it is taught."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from training import identity
from training.landmark_data import STORE_SIZE
from vision.faces import CROP_SIZE
from vision.identity import IdentityNet, load, save


@pytest.fixture(scope="module")
def stored() -> torch.Tensor:
    """Six made-up faces, (6, 3, 288, 288) uint8: blobs of colour, each with others."""
    rough = torch.rand(6, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    return (255 * F.interpolate(rough, size=STORE_SIZE, mode="bicubic").clamp(0, 1)).byte()


def chance() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def test_pupil_and_teacher_look_at_the_same_place():
    """Across a ramp from 0 to 1 over the stored picture."""
    ramp = torch.linspace(0, 1, STORE_SIZE).expand(1, 1, STORE_SIZE, STORE_SIZE)
    views = [F.grid_sample(ramp, grid[None], align_corners=False)[0, 0] for grid in identity.GRIDS]
    pupil, teacher = (float(view[:, -1].mean() - view[:, 0].mean()) for view in views)
    assert pupil == pytest.approx(CROP_SIZE * identity.STORE_SCALE / STORE_SIZE, rel=0.03)
    assert 0.6 < teacher / pupil < 1  # the teacher's frame is narrower
    assert float(views[0].mean()) == pytest.approx(float(views[1].mean()), abs=0.01)


def test_more_harm_leaves_less_of_a_face(stored):
    faces = stored.float() / 255
    clean = identity.look(faces, chance(), harm=0.0).pupil
    slight, heavy = (
        (identity.look(faces, chance(), harm=harm).pupil - clean).abs().mean() for harm in (0.3, 1)
    )
    assert 0 < slight < heavy


def test_looks_are_drawn_in_pairs_and_by_the_seed(stored):
    looks, again = (identity.drawn(stored, chance()) for _ in range(2))
    assert looks.pupil.shape == (2 * identity.BATCH, 3, 128, 128)
    assert looks.teacher.shape == (2 * identity.BATCH, 3, 112, 112)
    assert torch.equal(looks.pupil, again.pupil) and torch.equal(looks.teacher, again.teacher)


def test_the_loss_is_nothing_for_the_teachers_own_answer_and_teaches():
    wanted = F.normalize(torch.randn(8, 16, generator=chance()), dim=1)
    given = F.normalize(wanted + 0.3 * torch.rand(8, 16, generator=chance()), dim=1)
    given = given.requires_grad_()
    assert identity.loss_of(wanted, wanted).item() == pytest.approx(0, abs=1e-6)
    loss = identity.loss_of(given, wanted)
    loss.backward()
    nearer = F.normalize(given.detach() - 0.1 * given.grad, dim=1)
    assert 0 < identity.loss_of(nearer, wanted) < loss


def test_weights_come_back_as_they_were_stored(tmp_path):
    network = IdentityNet(widths=(4, 4, 8, 8, 8), size=8)
    save(network, tmp_path)
    image = torch.rand(2, 3, 128, 128, generator=chance())
    again = load(tmp_path)
    assert torch.allclose(again(image), network.float().eval()(image), atol=1e-3)
    assert again.size == 8 and again(image).norm(dim=1).tolist() == pytest.approx([1, 1])
