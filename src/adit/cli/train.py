"""Verbs of training."""

from __future__ import annotations

import argparse
from typing import Any

from adit import config
from adit.cli.parsing import Verbs, add_paths, at_least_one
from adit.config.yaml_text import load_yaml
from adit.errors import ConfigError
from adit.outputs.replace import check_folder, replaced_files


def _vae(args: argparse.Namespace) -> None:
    from adit.train.outputs import NAMES
    from adit.train.vae import train_vae

    check_folder(args.out, "vae", inputs=args.data, names=NAMES)
    train_vae(config.load_stage(config.VaeStage, args.config), args.data, args.out, args.state)


def _encode(args: argparse.Namespace) -> None:
    from adit.train.latents import encode_dataset

    with replaced_files(args.out, "encode", inputs=[args.vae, args.data]) as new:
        encode_dataset(config.load_stage(config.EncodeStage, args.config), args.vae, args.data, new)


def _dit(args: argparse.Namespace) -> None:
    from adit.train.dit import train_dit
    from adit.train.outputs import NAMES

    check_folder(args.out, "dit", inputs=[args.vae, *args.data, *args.latents, *args.labels], names=NAMES)
    stage = config.load_stage(config.DitStage, args.config)
    train_dit(stage, args.vae, args.data, args.latents, args.out, args.state, args.labels)


def _decay(args: argparse.Namespace) -> None:
    from adit.train.decay import Decay
    from adit.train.dit import train_dit
    from adit.train.outputs import NAMES

    inputs = [args.vae, args.state, *args.data, *args.latents, *args.labels]
    check_folder(args.out, "dit", inputs=inputs, names=NAMES)
    stage = config.load_stage(config.DitStage, args.config)
    if stage.source == "pretrained":
        raise ConfigError("adit decay: with model.source pretrained nothing is trained; give a training's --config")
    decay = Decay(args.state, args.steps)
    train_dit(stage, args.vae, args.data, args.latents, args.out, args.out / "state", args.labels, decay)


def _bundle(args: argparse.Namespace) -> None:
    from adit.train.bundle import pack

    pack(args.vae, args.dit, args.out, dict(map(_setting, args.sample)))


def _setting(text: str) -> tuple[str, Any]:
    """Return ``name=value``, the value as YAML reads it."""
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"--sample {text}: give NAME=VALUE, e.g. steps=100")
    return name, load_yaml(value, f"--sample {name}")


def register(verbs: Verbs) -> None:
    """Add the verbs of this room."""
    verbs.both("vae", _vae, _declare_vae)
    verbs.both("encode", _encode, _declare_encode)
    verbs.both("dit", _dit, _declare_dit)
    verbs.add("decay", _decay, _declare_decay)
    verbs.both("bundle", _bundle, _declare_bundle)


def _declare_vae(sub: argparse.ArgumentParser) -> None:
    add_paths(sub, "data", many=True)
    add_paths(sub, "out", "state")


def _declare_encode(sub: argparse.ArgumentParser) -> None:
    add_paths(sub, "vae", "data")
    add_paths(sub, "out", many=True)


def _declare_dit(sub: argparse.ArgumentParser) -> None:
    add_paths(sub, "vae")
    add_paths(sub, "data", many=True)
    add_paths(sub, "latents", "labels", many=True, required=False)
    add_paths(sub, "out", "state")


def _declare_decay(sub: argparse.ArgumentParser) -> None:
    _declare_dit(sub)
    sub.add_argument("--steps", type=at_least_one, required=True, help="steps until the learning rate is zero")


def _declare_bundle(sub: argparse.ArgumentParser) -> None:
    add_paths(sub, "vae", "dit", "out")
    text = "recommended settings of sampling; default: none"
    sub.add_argument("--sample", nargs="*", default=[], metavar="NAME=VALUE", help=text)
