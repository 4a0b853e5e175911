"""A Hugging Face causal language model of the user's own, from a folder that a variable names."""

from typing import Any

from torch import nn

from bench.common.errors import UserError
from bench.pairs.checkpoint import BuiltWeights
from bench.pairs.pair import Pair
from datasets.hf_text import model_folder, transformers

LONGEST = 300
"""The most characters shown of an error from transformers."""


def causal_lm() -> nn.Module:
    """Return the model in the folder that BENCH_HF_MODEL names, in single precision.

    It takes tokens [n, t] and returns an object whose `logits` are [n, t, vocabulary]. Attention is
    written out ("eager"), since fused operations can't be differentiated twice on a CPU. Raises
    `UserError` if there is no such folder, or transformers can't read it; code in the folder isn't
    executed.
    """
    folder = model_folder()
    try:
        model: nn.Module = transformers().AutoModelForCausalLM.from_pretrained(
            folder, attn_implementation="eager", dtype="float32", local_files_only=True
        )
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:LONGEST]
        raise UserError(
            f"The folder {folder} holds no causal language model that transformers can read "
            f"({reason})."
        ) from error
    _forget(model)
    return with_linear_layers(model)


def _forget(model: Any) -> None:
    """Remove from the model where it lay, and let it keep no keys and values between calls."""
    model.config.use_cache = False
    for module in model.modules():
        if hasattr(module, "name_or_path"):
            module.name_or_path = ""
        if hasattr(module, "config"):
            module.config._name_or_path = ""


def with_linear_layers(model: nn.Module) -> nn.Module:
    """Replace GPT-2's `Conv1D`, y = x W + b with W [in, out], by the equal `nn.Linear`; return it.

    Per-example gradients are known of `Linear`, and layers and rows then mean the same everywhere.
    """
    kind = transformers().pytorch_utils.Conv1D
    for path, module in list(model.named_modules()):
        if isinstance(module, kind):
            given, out = module.weight.shape
            layer = nn.Linear(given, out, device="meta")
            layer.weight = nn.Parameter(module.weight.detach().T.contiguous())
            layer.bias = module.bias
            model.set_submodule(path, layer)
    return model


PAIRS = (
    Pair(
        name="hf-causal-lm",
        model=causal_lm,
        dataset="hf-text",
        normalisation=None,
        # The matrices of the decoder's layers, as in SparseGPT and Wanda: no embedding, no head, no
        # scale of a normalisation.
        prunable=r".*\.(layers|h|blocks)\.\d+\.(?!.*(norm|ln_)).*\.weight",
        dense=BuiltWeights(),
        objective="language-model",
        output="logits",
    ),
)
