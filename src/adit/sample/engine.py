"""A trained autoencoder and denoiser prepared for sampling: device, precision, compilation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from adit.config import SampleConfig, SampleStage
from adit.errors import ConfigError, DataError
from adit.flow.grid import time_grid
from adit.flow.guidance import Denoiser, Guided
from adit.flow.path import center
from adit.flow.solver import Predict, Step, integrate
from adit.flow.solvers.registry import make_solver
from adit.model.build import autocast, load_dit, load_vae, pick_device
from adit.model.compiling import has_compiler, need_compiler
from adit.model.conditions import encode, null_conditions
from adit.model.padding import pad, padding_mask
from adit.model.vae import Decoded
from adit.progress import log
from adit.sample.hold import Held
from adit.sample.prior import Draw, churn_noise
from adit.sample.request import Request, make_request
from adit.systems import Kind

COMPILE_PAYS = {"cpu": 3e13, "cuda": 2e16}
"""Type of device → number of floating-point operations of a job above which compilation saves time."""


Substituted = Callable[[int], Mapping[str, float]]
"""Function of the model's highest atomic number that returns formula → weight."""


class Sampler:
    """Integrates samples from their draws and decodes them.

    Args:
        vae_dir: folder of the autoencoder.
        dit_dir: folder of the denoiser.
        precision: ``auto``, ``bf16`` or ``fp32`` for the denoiser. The decoder always works in fp32: bf16 resolves a
            fractional coordinate to 0.004, which is 0.04 Å in a cell of 10 Å.
        substituted: for ``formulas: substitution``: returns formula → weight, from the model's highest atomic number;
            ``None``: there are no known crystals to substitute in.

    Raises:
        DataError: the denoiser was trained on latents of another autoencoder, or a file is missing or broken, or is not
            that of its record.
    """

    def __init__(
        self, vae_dir: Path, dit_dir: Path, precision: str = "auto", substituted: Substituted | None = None
    ) -> None:
        self._substituted = substituted
        self.device = pick_device()
        vae_record, self.vae = load_vae(vae_dir)
        self.config, self.dit = load_dit(dit_dir)
        self.hashes = {"vae_sha256": vae_record["weights_sha256"], "dit_sha256": self.config["weights_sha256"]}
        if self.config["vae_sha256"] != self.hashes["vae_sha256"]:
            raise DataError(f"{dit_dir}: was trained on latents of another autoencoder than {vae_dir}; train it again")
        # Without self-conditioning in training, the weights that read the previous prediction were never trained.
        self.self_conditioning = bool(self.config.get("train", {}).get("self_conditioning", True))
        self.vae.to(self.device)
        self.dit.to(self.device)
        self.precision = precision
        with autocast(self.device, precision):
            if torch.is_autocast_enabled(self.device.type):
                _round_weights(self.dit)
        self._denoiser: Callable[..., Tensor] = self.dit

    def request(self, stage: SampleStage, kind: Kind) -> Request:
        """Return the request for a kind, checked against this model.

        Raises:
            ConfigError: the model does not know the kind or a label, the conditions contradict each other or leave no
                number of atoms, or ``formulas: substitution`` has no known crystals.
            DataError: the file of the motif cannot be read.
        """
        return make_request(
            stage,
            kind,
            histograms=self.config["size_histograms"],
            formulas=self._formulas(stage, kind),
            labels=self.dit.config.labels,
            latent_dim=self.dit.latent_dim,
            max_atomic_number=self.vae.max_atomic_number,
        )

    def _formulas(self, stage: SampleStage, kind: Kind) -> Mapping[str, Mapping[str, float]]:
        """Return kind → formula → weight: of the training data, or made from them by substitution."""
        if stage.sample.formulas != "substitution" or not kind.periodic:
            histograms: Mapping[str, Mapping[str, float]] = self.config.get("formula_histograms", {})
            return histograms
        if self._substituted is None:
            raise ConfigError(
                "sample.formulas: substitution needs the crystals whose formulas are changed; give --formulas-data"
            )
        return {str(kind): self._substituted(self.vae.max_atomic_number)}

    def prepare(self, mode: Literal["auto", "on", "off"], atoms: int, evaluations: int) -> None:
        """Compile the denoiser if that saves time.

        Args:
            mode: ``on``, ``off``, or ``auto``: for large amounts of work, if there is a compiler.
            atoms: number of atoms to sample in all.
            evaluations: number of evaluations of the denoiser for each atom.

        Raises:
            ConfigError: ``mode`` is ``on``, and there is no compiler for the device.
        """
        if mode == "on":
            need_compiler(self.device, "sample.compile", "auto")
        operations = 2.0 * sum(p.numel() for p in self.dit.parameters()) * atoms * evaluations
        pays = operations > COMPILE_PAYS.get(self.device.type, float("inf")) and has_compiler(self.device)
        if mode == "on" or (mode == "auto" and pays):
            log.info("compiling the denoiser")
            self._denoiser = torch.compile(self.dit, dynamic=True)

    @torch.no_grad()
    def latents(
        self,
        draws: Sequence[Draw],
        request: Request,
        config: SampleConfig,
        on_step: Callable[[Step], None] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Integrate one batch from noise.

        Args:
            draws: sizes, noise and compositions of the samples.
            request: the conditions of the samples.
            config: solver, steps and guidance.
            on_step: called after each step.

        Returns:
            clean latents (B, M, d) in the model's space, and the mask (B, M) of real atoms.

        Source: Algorithm 3.

        Raises:
            ConfigError: ``sample.skip_blocks`` names a block that the model lacks, or all blocks; or a setting of the
                solver, the grid or the guidance is invalid.
            ExternalToolError: the solver needs a package that is not installed.
        """
        mask = padding_mask(torch.tensor([len(d) for d in draws])).to(self.device)
        solver = make_solver(config.solver, config.solver_options)
        times = time_grid(config.grid, config.steps)
        predict = self._predict(draws, request, config, mask)
        fresh = self._fresh(draws, request, mask) if config.stochastic else None
        with autocast(self.device, self.precision):
            noise = self._spread([d.noise for d in draws], mask)
            latents = integrate(
                predict, noise, times, solver, fresh=fresh, on_step=on_step, self_conditioning=self.self_conditioning
            )
            return latents, mask

    @torch.no_grad()
    def decode(self, latents: Tensor, mask: Tensor, kind: Kind) -> Decoded:
        """Return the decoder's outputs, on the CPU.

        Args:
            latents: (B, M, d) in the model's space.
            mask: (B, M) real atoms.
            kind: kind of all systems.
        """
        decoded = self.vae.decoder(self.dit.denormalize(latents, self._labels(kind, len(latents))), mask)
        return Decoded(
            *(part.cpu() for part in (decoded.logits, decoded.positions, decoded.fractional, decoded.lattice))
        )

    def _predict(self, draws: Sequence[Draw], request: Request, config: SampleConfig, mask: Tensor) -> Predict:
        labels = self.dit.config.labels
        conditions = encode(labels, [request.kind] * len(draws), request.labels(draws)).to(self.device)
        nulls = null_conditions(labels, len(draws), self.device)
        weak = self._weak(config.skip_blocks)
        scales = (config.guidance, config.guidance_interval, weak, config.skip_guidance)
        guided = Guided(self._denoiser, conditions, nulls, mask, *scales)
        if request.motif is None:
            return guided
        return Held(guided, self.vae, self.dit, request.motif, draws, mask, self._labels(request.kind, len(draws)))

    def _labels(self, kind: Kind, count: int) -> Tensor:
        return torch.full((count,), kind.label, device=self.device)

    def _weak(self, skip: tuple[int, ...]) -> Denoiser | None:
        """Return the denoiser without some of its blocks; ``None`` if ``skip`` is empty."""
        blocks = len(self.dit.blocks)
        if not skip:
            return None
        if max(skip) >= blocks or len(set(skip)) == blocks:
            raise ConfigError(f"sample.skip_blocks: {list(skip)} of blocks 0 to {blocks - 1}; one has to be left")
        return partial(self._denoiser, skip=skip)

    def _fresh(self, draws: Sequence[Draw], request: Request, mask: Tensor) -> Callable[[], Tensor]:
        sources = [churn_noise(request.seed, request.kind, d.index) for d in draws]

        def fresh() -> Tensor:
            drawn = [s.standard_normal(d.noise.shape).astype(np.float32) for s, d in zip(sources, draws, strict=True)]
            return self._spread(drawn, mask)

        return fresh

    def _spread(self, noise: Sequence[np.ndarray], mask: Tensor) -> Tensor:
        """Return noise as a padded batch, centred if the model was trained with centred noise."""
        padded = pad(torch.from_numpy(np.concatenate(noise)).to(self.device), mask)
        return center(padded, mask) if self.config["center_noise"] else padded


def _round_weights(module: nn.Module) -> None:
    """Store the weights of linear layers in bf16, so that autocast need not convert them in every evaluation."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            layer.to(torch.bfloat16)
