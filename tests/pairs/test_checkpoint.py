"""Dense checkpoints: only the file that was meant is read, and none can run code."""

import pickle

import pytest
import torch

from bench.common.errors import UserError
from bench.pairs import PAIRS, checkpoint
from bench.pairs.checkpoint import PublishedWeights
from bench.pairs.mlpnet import MLPNet
from bench.pairs.preparing import prepare as preparing


class Malicious:
    def __reduce__(self):
        return (print, ("this must never be printed",))


def published(path, monkeypatch) -> PublishedWeights:
    monkeypatch.setenv("BENCH_MIRROR", str(path.parent.parent))
    return PublishedWeights(
        path.name, checkpoint.sha256(path), "http://127.0.0.1:9/", lambda c: c["w"]
    )


@pytest.fixture
def path(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    return tmp_path / "checkpoints" / "file.ckpt"


def test_a_published_file_is_found_in_a_mirror(path, monkeypatch) -> None:
    torch.save({"w": {"a": torch.ones(2)}}, path)
    state, digest = published(path, monkeypatch).load()
    assert torch.equal(state["a"], torch.ones(2))
    assert len(digest) == 64


def test_a_flipped_byte_is_refused(path, monkeypatch) -> None:
    torch.save({"w": {}}, path)
    expected = published(path, monkeypatch)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="has sha256"):
        expected.load()


def test_a_pickle_that_would_run_code_is_refused(path, monkeypatch, capsys) -> None:
    path.write_bytes(pickle.dumps({"w": Malicious()}, protocol=2))
    with pytest.raises(UserError, match="something other than the weights"):
        published(path, monkeypatch).load()
    assert "never be printed" not in capsys.readouterr().out


def test_an_absent_file_says_where_to_place_it(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("BENCH_DATA", str(tmp_path))
    monkeypatch.delenv("BENCH_MIRROR", raising=False)
    absent = PublishedWeights("file.ckpt", "0" * 64, "http://127.0.0.1:9/file", lambda c: c)
    with pytest.raises(UserError, match="Place it as .*file.ckpt, or name a folder"):
        absent.load()


def test_our_own_weights_are_kept_with_their_hash(tmp_path) -> None:
    path = tmp_path / "own.safetensors"
    net = MLPNet()
    digest = checkpoint.save(path, net, {"pair": "x"})
    state, again = checkpoint.load(path)
    assert digest == again == checkpoint.sha256(path)
    assert all(torch.equal(state[name], tensor) for name, tensor in net.state_dict().items())
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="has sha256"):
        checkpoint.load(path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"sha": 1}', b"\xff\xfe", b"null"])
def test_a_damaged_manifest_is_named(tmp_path, content) -> None:
    path = tmp_path / "own.safetensors"
    checkpoint.save(path, MLPNet(), {})
    path.with_suffix(".json").write_bytes(content)
    with pytest.raises(UserError, match=r"manifest .*own\.json is damaged"):
        checkpoint.load(path)


def test_a_checkpoint_of_another_architecture_is_refused(monkeypatch) -> None:
    monkeypatch.setattr(preparing, "trained", lambda *_: ({"fc1.weight": torch.ones(2, 2)}, "0"))
    with pytest.raises(UserError, match="for another architecture"):
        preparing.prepare(PAIRS["mlpnet-mnist5k"], torch.device("cpu"))


def test_a_dense_model_that_misses_its_accuracy_is_refused(monkeypatch) -> None:
    import dataclasses

    claimed = dataclasses.replace(PAIRS["mlpnet-mnist5k"], dense_accuracy=99.9)
    with pytest.raises(UserError, match=r"expected 99.90 %"):
        preparing.prepare(claimed, torch.device("cpu"))
