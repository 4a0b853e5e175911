"""What is sent to the nodes of a cluster that share no file system with the driver."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

import datasets
from bench.common.errors import UserError
from bench.common.folders import data_folder
from bench.executors.bundle import Bundle, bundled
from bench.pairs import PAIRS
from bench.pairs.checkpoint import StateDict
from bench.pairs.evaluate import Evaluation
from bench.pairs.preparing.dense import Dense
from bench.pairs.preparing.fitting import first_few, fitting
from bench.pairs.preparing.identity import pair_sha256
from bench.pairs.preparing.precision import runs_in_single
from bench.problem.training.frozen import frozen_parameters


@dataclass(frozen=True)
class PackedDense:
    """A pair's dense weights and the driver's measurements: nodes neither train nor evaluate again.

    The data aren't sent: a node has its own, and their digest shows whether they are the same.
    """

    pair: str
    state: StateDict
    checkpoint_sha256: str
    data_sha256: str
    evaluation: Evaluation
    flops: int
    pair_sha256: str

    @classmethod
    def of(cls, dense: Dense) -> "PackedDense":
        """Return the prepared pair without its data, on the CPU."""
        state = {name: tensor.cpu() for name, tensor in dense.model.state_dict().items()}
        return cls(
            dense.pair.name,
            state,
            dense.checkpoint_sha256,
            dense.data_sha256,
            dense.evaluation,
            dense.flops,
            dense.pair_sha256,
        )

    def unpack(self, device: torch.device) -> Dense:
        """Return the pair prepared on this node's device.

        Raises `UserError` if the pair or its data differ from the driver's.
        """
        pair = PAIRS[self.pair]
        data = datasets.load(pair.dataset)
        if data.digest != self.data_sha256:
            raise UserError(
                f"The dataset {data.name} has the digest {data.digest[:16]}… on this node, "
                f"{self.data_sha256[:16]}… where the run was started: give both the same files."
            )
        model = pair.build()
        if pair_sha256(pair, model) != self.pair_sha256:
            raise UserError(
                f"The pair {pair.name} is another one on this node than where the run was started: "
                "install the same versions of the packages that its model comes from."
            )
        model, frozen = model.to(device).eval(), frozen_parameters(model)
        model.requires_grad_(False).load_state_dict(self.state)
        train = pair.inputs(data.train, device)
        few = first_few(train)
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
            pair_sha256=self.pair_sha256,
            single=runs_in_single(model, few),
            frozen=frozen,
        )


@dataclass(frozen=True)
class Transfer:
    """What all jobs of a run need on every node.

    `variables` are the driver's environment variables BENCH_* and those that plug-ins read, for
    nodes that haven't set them. `plugins` are the user's files with all that they import from their
    own folders.
    """

    study: str
    memory: int
    device: str
    threads: int
    variables: dict[str, str]
    plugins: tuple[Bundle, ...]

    @classmethod
    def of(
        cls, study: str, memory: int, device: str, threads: int, plugins: Sequence[Path]
    ) -> "Transfer":
        """Return a transfer packed from this machine's environment and files."""
        bundles = bundled(plugins)
        names = {name for name in os.environ if name.startswith("BENCH_")}
        names |= {name for bundle in bundles for name in bundle.variables if name in os.environ}
        variables = {name: os.environ[name] for name in sorted(names)}
        return cls(study, memory, device, threads, variables, bundles)

    def set_variables(self) -> None:
        """Set the driver's variables, except for those that this node has set itself."""
        for name, value in self.variables.items():
            os.environ.setdefault(name, value)

    def unpack_plugins(self) -> list[Path]:
        """Write the plug-ins' files on this node and return their paths."""
        return [path for bundle in self.plugins for path in bundle.unpack(data_folder())]

    @property
    def snapshots(self) -> Path:
        """The folder of unfinished trainings of the study on this node; it isn't shared."""
        return data_folder() / "snapshots" / self.study
