"""What travels to the nodes of a cluster that share no file system with the driver."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

import datasets
from bench.checkpoint import StateDict
from bench.dense import Dense, fitting
from bench.errors import UserError
from bench.evaluate import Evaluation
from bench.files import replacing
from bench.folders import data_folder
from bench.frozen import frozen_parameters
from bench.pairs import PAIRS
from bench.precision import runs_in_single


@dataclass(frozen=True)
class PackedDense:
    """A pair's dense weights and what the driver measured of them: no node trains or judges anew.

    The data don't travel: a node has its own, and the digest says whether they are the same.
    """

    pair: str
    state: StateDict
    checkpoint_sha256: str
    data_sha256: str
    evaluation: Evaluation
    flops: int

    @classmethod
    def of(cls, dense: Dense) -> "PackedDense":
        """The prepared pair without its data, on the CPU."""
        state = {name: tensor.cpu() for name, tensor in dense.model.state_dict().items()}
        return cls(
            dense.pair.name,
            state,
            dense.checkpoint_sha256,
            dense.data_sha256,
            dense.evaluation,
            dense.flops,
        )

    def unpack(self, device: torch.device) -> Dense:
        """The pair ready on this node's device; raises `UserError` where its data differ."""
        pair = PAIRS[self.pair]
        data = datasets.load(pair.dataset)
        if data.digest != self.data_sha256:
            raise UserError(
                f"The dataset {data.name} has the digest {data.digest[:16]}… on this node, "
                f"{self.data_sha256[:16]}… where the run was started: give both the same files."
            )
        model = pair.build().to(device).eval()
        frozen = frozen_parameters(model)
        model.requires_grad_(False).load_state_dict(self.state)
        train = pair.inputs(data.train, device)
        few, _ = train.batch(torch.arange(min(2, len(train))))
        fit = fitting(model, few)
        return Dense(
            pair=pair,
            device=device,
            model=model,
            prunable=pair.prunable_parameters(model),
            checkpoint_sha256=self.checkpoint_sha256,
            data_sha256=self.data_sha256,
            train=fit(train),
            validation=fit(pair.inputs(data.validation, device)),
            test=fit(pair.inputs(data.test, device)),
            evaluation=self.evaluation,
            flops=self.flops,
            single=runs_in_single(model, few),
            frozen=frozen,
        )


@dataclass(frozen=True)
class Parcel:
    """What all jobs of a run need on every node.

    `variables` are the driver's BENCH_*, for nodes that haven't set them. `plugins` are the names
    and texts of the user's files; what these files read beside themselves stays behind.
    """

    study: str
    memory: int
    device: str
    threads: int
    variables: dict[str, str]
    plugins: tuple[tuple[str, bytes], ...]

    @classmethod
    def of(
        cls, study: str, memory: int, device: str, threads: int, plugins: Sequence[Path]
    ) -> "Parcel":
        """Packed from this machine's environment and files."""
        variables = {name: os.environ[name] for name in os.environ if name.startswith("BENCH_")}
        files = tuple((path.name, path.read_bytes()) for path in plugins)
        return cls(study, memory, device, threads, variables, files)

    def set_variables(self) -> None:
        """Take over the driver's BENCH_* but for those that this node has itself."""
        for name, value in self.variables.items():
            os.environ.setdefault(name, value)

    def unpack_plugins(self) -> list[Path]:
        """The plugins' files on this node, at the same path for the same text."""
        paths = []
        for name, text in self.plugins:
            folder = data_folder() / "plugins" / hashlib.sha256(text).hexdigest()[:16]
            folder.mkdir(parents=True, exist_ok=True)
            with replacing(folder / name) as file:
                file.write(text)
            paths.append(folder / name)
        return paths

    @property
    def snapshots(self) -> Path:
        """Where unfinished trainings of the study are kept on a node, and only there."""
        return data_folder() / "snapshots" / self.study
