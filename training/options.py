"""Everything that decides a training run of the vision network."""

from __future__ import annotations

from dataclasses import dataclass, field

from training.imperfections.render import OWN
from training.loop import Schedule
from vision.detector import NetworkConfig


@dataclass(frozen=True)
class LossWeights:
    """Of every loss; one that is 0 is not computed. LangBRT eq. 11 has them as gamma and eta.

    Attributes:
        detection, dice: who owns each pixel (L_detc).
        comp: the same, region by region of the face (L_comp).
        amplitude: how strong marks are.
        change, coarse, gradient: the change made, after both stages, after the first, and its
            differences (L_cons).
        perceptual: features of the result against those of clean skin (L_cons, second part).
        attention: where the second stage looks (BPFRe, L_blem).
        keep: change where kinds are that nobody asked for.
        adversarial, judge: the result must pass as clean skin; the discriminator's own (L_adv).
        unpaired: the same on marks that the photo brought along, whose truth nobody knows (BPFRe).
        local: likeness of the result to the words for what was asked away (L_local).
    """

    detection: float = 1.0
    dice: float = 1.0
    comp: float = 0.0
    amplitude: float = 0.3
    change: float = 1.0
    coarse: float = 0.3
    gradient: float = 0.3
    perceptual: float = 0.0
    attention: float = 0.1
    keep: float = 0.0
    adversarial: float = 0.0
    judge: float = 0.0
    unpaired: float = 0.0
    local: float = 0.0


@dataclass(frozen=True)
class VisionTraining:
    """Everything that decides a run; every field is used.

    Attributes:
        minutes: wall-clock budget of all sessions of the run together.
        steps: length of the run instead, for a result that depends on the seed alone.
        variants: painted samples a face.
        own: what a face has of its own and is parted from before it is painted; half of the
            samples show it, as the truth. What it is not parted from is skin to the network.
        share: of the faces that are used (limited data), 0..1.
        seed: of painting, crops, prompts and weights.
        rate: peak learning rate.
        crops: (side, how many) of each step in turn. Marks fill a 64-px crop best: such steps
            teach the detector alone, before `joint`; wider ones also teach the retoucher. Only a
            whole face shows how many marks there are, and what its tone is.
        joint: share of the budget from which on errors of the result teach the maps, too: a mark
            that is taken for another kind's, or skin for a mark, then costs what it spoils. Until
            then rare kinds count more. A change that is not good yet would close every gate.
        polish: last share of the budget, in which the retoucher is given what the detector finds
            alone, as it will be.
        foreign: share of crops with something foreign on the face, to be filled with skin.
        swapped: share of faces that are shown with the marks of another one.
        shaken: share of crops whose true map is moved and blurred before the retoucher sees it
            (PerTouch's perturbation), for those it will be given are never exact.
        paired: share of steps on before/after pairs, where there are any.
        mix: share of what the run learnt in the weights that are written; the rest are those that
            it began with. An average of weights keeps some of what each is better at (Wortsman et
            al. 2022).
        last: whether the weights that are written are those of the last step, not their running
            average over some 500 steps, in which a short run still has a part of its beginning.
        losses: their weights.
        network: sizes and mechanisms.
    """

    minutes: float = 60
    steps: int | None = None
    variants: int = 2
    own: tuple[str, ...] = OWN
    share: float = 1.0
    seed: int = 0
    rate: float = 1.2e-3
    crops: tuple[tuple[int, int], ...] = ((64, 48), (128, 14), (256, 4), (512, 1))
    joint: float = 0.75
    polish: float = 0.25
    foreign: float = 0.15
    swapped: float = 0.15
    shaken: float = 0.3
    paired: float = 0.1
    mix: float = 1.0
    last: bool = False
    losses: LossWeights = field(default_factory=LossWeights)
    network: NetworkConfig = field(default_factory=NetworkConfig)

    @property
    def schedule(self) -> Schedule:
        return Schedule(self.minutes, self.steps, self.rate, self.seed)
