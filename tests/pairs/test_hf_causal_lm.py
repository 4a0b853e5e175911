"""A Hugging Face causal language model: its perplexity, its layers, and what is missing."""

import math
import os
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import datasets
from bench.common.errors import UserError
from bench.jobs.budget import Budget
from bench.jobs.job import Job
from bench.pairs import PAIRS
from bench.pairs.preparing.identity import pair_sha256
from bench.pairs.preparing.prepare import prepare
from bench.run.one_job import run_job
from datasets.hf_text import MODEL, TEXT, TRAINING_TEXT, WINDOW
from methods import build, configuration

CPU = torch.device("cpu")
PAIR = PAIRS["hf-causal-lm"]
WORDS = ["[UNK]", *(f"{first}{second}" for first in "abcde" for second in "aeio")]
LENGTH, CONTEXT = 12, 16


def configurations(transformers) -> dict:
    """A tiny model of each family."""
    size, ids = len(WORDS), {"bos_token_id": 1, "eos_token_id": 2}
    return {
        "opt": transformers.OPTConfig(
            vocab_size=size, hidden_size=8, num_hidden_layers=2, ffn_dim=16, num_attention_heads=2,
            max_position_embeddings=CONTEXT, word_embed_proj_dim=8, pad_token_id=0, **ids,
        ),
        "llama": transformers.LlamaConfig(
            vocab_size=size, hidden_size=8, num_hidden_layers=2, intermediate_size=16,
            num_attention_heads=2, max_position_embeddings=CONTEXT, **ids,
        ),
        "gpt2": transformers.GPT2Config(
            vocab_size=size, n_embd=8, n_layer=2, n_head=2, n_positions=CONTEXT, **ids
        ),
    }  # fmt: skip


def text_of(seed: int, words: int) -> str:
    """A text in which some words follow others more often."""
    generator = torch.Generator().manual_seed(seed)
    found = torch.randint(1, len(WORDS), (words,), generator=generator).sort(stable=True)[1]
    return " ".join(WORDS[1 + int(number) % (len(WORDS) - 1)] for number in found)


def make(family: str, folder: Path) -> Path:
    """Save a model with random weights and a tokenizer of words."""
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer, models, pre_tokenizers

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = transformers.AutoModelForCausalLM.from_config(configurations(transformers)[family])
        for parameter in model.parameters():
            nn.init.normal_(parameter, std=0.4)
    model.save_pretrained(folder)
    words = Tokenizer(models.WordLevel({w: n for n, w in enumerate(WORDS)}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(tokenizer_object=words).save_pretrained(folder)
    return folder


@pytest.fixture(params=["opt", "llama", "gpt2"])
def model(request, tmp_path, monkeypatch) -> Path:
    """A model of one family with a text to test on and one to calibrate on."""
    folder = make(request.param, tmp_path / "tiny-2.7b")
    for variable, words, seed in ((TEXT, 250, 1), (TRAINING_TEXT, 400, 2)):
        path = tmp_path / f"{variable}.txt"
        path.write_text(text_of(seed, words))
        monkeypatch.setenv(variable, str(path))
    monkeypatch.setenv(MODEL, str(folder))
    monkeypatch.setenv(WINDOW, str(LENGTH))
    return folder


def perplexity(folder: Path, text: str) -> float:
    """As SparseGPT's code has it: whole windows, the mean over windows of means of T - 1 tokens."""
    import transformers

    model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    tokens = transformers.AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt").input_ids
    count = tokens.numel() // LENGTH
    total = 0.0
    for number in range(count):
        window = tokens[:, number * LENGTH : (number + 1) * LENGTH]
        with torch.no_grad():
            logits = model(window).logits.double()
        chances = logits[0, :-1].log_softmax(-1)
        loss = -chances[torch.arange(LENGTH - 1), window[0, 1:]].mean()
        total += float(loss) * LENGTH
    return math.exp(total / (count * LENGTH))


def test_the_perplexity_is_that_of_the_papers_code(model) -> None:
    dense = prepare(PAIR, CPU)
    text = Path(os.environ[TEXT]).read_text()
    assert dense.evaluation.examples == 250 // LENGTH
    assert dense.evaluation.score == pytest.approx(perplexity(model, text), rel=1e-5)
    assert len(dense.train) + len(dense.validation) == 400 // LENGTH
    assert {tuple(dense.model.get_parameter(name).shape) for name in dense.prunable} <= {
        *((8, 8), (16, 8), (8, 16), (24, 8), (32, 8), (8, 32)),
    }
    layers = dense.model.modules()
    inside = [one for one in layers if isinstance(one, nn.Linear) and one.out_features != 21]
    assert len(inside) == len(dense.prunable)


@pytest.mark.parametrize(
    ("method", "fields"),
    [("magnitude", {}), ("obc", {"samples": 8}), ("woodfisher", {"samples": 8, "damping": 1e-3}),
     ("obd", {"samples": 8, "curvature": "hutchinson"})],
)  # fmt: skip
def test_methods_prune_it(model, method, fields) -> None:
    dense = prepare(PAIR, CPU)
    job = Job(
        pair=PAIR.name, method=method, hyperparameters=configuration(build(method, fields)),
        allocation="layerwise", sparsity=0.5, seed=0, protocol="one-shot",
        budget=Budget(
            calibration_examples=100, backward_passes=100, hessian_vector_products=100
        ),
    )  # fmt: skip
    found = run_job(job, dense, "study", method)
    assert found.status == "ok", found.reason
    assert found.nonzero == found.prunable - round(0.5 * found.prunable)
    assert found.metric == "perplexity" and math.isfinite(found.score)


def test_without_a_second_text_the_first_quarter_is_to_calibrate_on(model, monkeypatch) -> None:
    whole = prepare(PAIR, CPU)
    monkeypatch.delenv(TRAINING_TEXT)
    found = prepare(PAIR, CPU)
    count = 250 // LENGTH
    assert len(found.train) + len(found.validation) == count // 4
    assert found.evaluation.examples == count - count // 4
    assert torch.equal(found.test.labels, whole.test.labels[count // 4 :])
    assert found.data_sha256 != whole.data_sha256


def test_where_the_model_lies_makes_no_difference(tmp_path, monkeypatch) -> None:
    hashes = []
    for name in ("one-1.3b", "other"):
        monkeypatch.setenv(MODEL, str(make("gpt2", tmp_path / name)))
        hashes.append(pair_sha256(PAIR, PAIR.build()))
    assert hashes[0] == hashes[1]
    monkeypatch.setenv(MODEL, str(make("opt", tmp_path / "third")))
    assert pair_sha256(PAIR, PAIR.build()) != hashes[0]


def test_what_is_missing_is_said_in_a_sentence(tmp_path, monkeypatch) -> None:
    for variable in (MODEL, TEXT, TRAINING_TEXT):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(UserError, match="^BENCH_HF_MODEL isn't set: set BENCH_HF_MODEL to the"):
        prepare(PAIR, CPU)
    assert "BENCH_HF_MODEL isn't set." in datasets.available("hf-text").reason
    monkeypatch.setenv(MODEL, str(tmp_path))
    with pytest.raises(UserError, match="which is no folder with a config.json"):
        prepare(PAIR, CPU)
    pytest.importorskip("transformers")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match="holds no causal language model that transformers can"):
        prepare(PAIR, CPU)
    monkeypatch.setenv(MODEL, str(make("opt", tmp_path / "opt")))
    with pytest.raises(UserError, match="BENCH_HF_TEXT isn't set"):
        prepare(PAIR, CPU)
    monkeypatch.setenv(TEXT, str(tmp_path / "none.txt"))
    with pytest.raises(UserError, match="none.txt, which is no file"):
        prepare(PAIR, CPU)
    (tmp_path / "none.txt").write_text(text_of(1, 20))
    with pytest.raises(UserError, match="the text has 0 windows of 16 tokens to calibrate on"):
        prepare(PAIR, CPU)
    for wrong in ("17", "1", "many"):
        monkeypatch.setenv(WINDOW, wrong)
        with pytest.raises(UserError, match=f"a number of tokens from 2 to 16, not {wrong}"):
            prepare(PAIR, CPU)


def test_without_the_package_it_says_what_to_install(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    (tmp_path / "config.json").write_text("{}")
    monkeypatch.setenv(MODEL, str(tmp_path))
    with pytest.raises(UserError, match="`pip install 'transformers>="):
        prepare(PAIR, CPU)
