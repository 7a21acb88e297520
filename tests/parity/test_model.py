# SPDX-License-Identifier: MIT
"""Our models beside transformers': logits, one step's gradients, several optimiser steps, and
what is said about broken model directories."""
import atexit
import copy
import functools
import json
import math
import os
import random
import shutil
import statistics
import subprocess
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

BUILD = Path(os.environ.get("TRAINYARD_BUILD", Path(__file__).resolve().parents[2] / "build"))
PROBE = BUILD / "tests/parity/model_probe"
pytestmark = pytest.mark.skipif(not PROBE.exists(), reason="built without the native engine")

FAMILIES = {
    "bert": lambda **more: transformers.BertForSequenceClassification(transformers.BertConfig(**{
        "hidden_size": 64, "intermediate_size": 160, "num_attention_heads": 4,
        "num_hidden_layers": 3, "vocab_size": 500, "max_position_embeddings": 200,
        "num_labels": 3, **more})),
    "distilbert": lambda **more: transformers.DistilBertForSequenceClassification(
        transformers.DistilBertConfig(**{
            "dim": 96, "hidden_dim": 192, "n_heads": 3, "n_layers": 2, "vocab_size": 500,
            "max_position_embeddings": 200, "num_labels": 2, **more})),
    "electra": lambda **more: transformers.ElectraForSequenceClassification(
        transformers.ElectraConfig(**{
            "embedding_size": 32, "hidden_size": 64, "intermediate_size": 160,
            "num_attention_heads": 4, "num_hidden_layers": 2, "vocab_size": 500,
            "max_position_embeddings": 200, "num_labels": 3, **more})),
    # like google/electra-base-discriminator: no projection
    "electra, one width": lambda **more: FAMILIES["electra"](embedding_size=64, **more),
    # 202 positions for rows of 200 tokens, because they count from pad_token_id + 1
    "roberta": lambda **more: transformers.RobertaForSequenceClassification(
        transformers.RobertaConfig(**{
            "hidden_size": 64, "intermediate_size": 160, "num_attention_heads": 4,
            "num_hidden_layers": 2, "vocab_size": 500, "max_position_embeddings": 202,
            "num_labels": 3, **more})),
    "roberta, padding 0": lambda **more: FAMILIES["roberta"](
        pad_token_id=0, max_position_embeddings=201, type_vocab_size=3, layer_norm_eps=1e-5,
        hidden_act="gelu_new", **more),
    "mpnet": lambda **more: transformers.MPNetForSequenceClassification(
        transformers.MPNetConfig(**{
            "hidden_size": 64, "intermediate_size": 160, "num_attention_heads": 4,
            "num_hidden_layers": 2, "vocab_size": 500, "max_position_embeddings": 202,
            "num_labels": 3, **more})),
    # libtorch's operators do all, and the table of distances has rows that are never read
    "mpnet, odd": lambda **more: FAMILIES["mpnet"](
        hidden_size=30, num_attention_heads=3, relative_attention_num_buckets=40, **more),
    # no width is a multiple of the kernels' vectors: libtorch's operators do all
    "odd": lambda **more: transformers.BertForSequenceClassification(transformers.BertConfig(**{
        "hidden_size": 30, "intermediate_size": 50, "num_attention_heads": 3,
        "num_hidden_layers": 2, "vocab_size": 500, "max_position_embeddings": 200,
        "num_labels": 2, **more})),
}


@functools.cache
def probe_process():
    """One for all tests: it takes longer to load libtorch than to answer."""
    process = subprocess.Popen([PROBE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    atexit.register(process.kill)
    return process


def probe(op, **request):
    process = probe_process()
    process.stdin.write(json.dumps({"op": op, **request}) + "\n")
    process.stdin.flush()
    answer = process.stdout.readline()
    if not answer:
        probe_process.cache_clear()  # the next test gets another one
    assert answer, f"the probe ended with {process.wait()}"
    return json.loads(answer)


def rows_of(lengths, vocab=500, seed=7):
    rng = random.Random(seed)
    return [[rng.randrange(1, vocab) for _ in range(n)] for n in lengths]


def padded(rows, types=None):
    longest = max(map(len, rows))
    ids = torch.tensor([r + [0] * (longest - len(r)) for r in rows])
    mask = torch.tensor([[1] * len(r) + [0] * (longest - len(r)) for r in rows])
    batch = {"input_ids": ids, "attention_mask": mask}
    if types:
        batch["token_type_ids"] = torch.tensor([t + [0] * (longest - len(t)) for t in types])
    return batch


def spread(model, seed=3):
    """Weights of a trained model's size: biases and norms away from 0 and 1."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.add_(torch.randn(p.shape, generator=g) * (0.1 if p.dim() == 1 else 0.05))
            if "word_embeddings" in name:
                # [PAD] is a token like others when it stands in a text
                p[model.config.pad_token_id] = 0.3
    return model.eval()


@pytest.fixture(scope="module", params=FAMILIES)
def model(request, tmp_path_factory):
    torch.manual_seed(1)
    m = spread(FAMILIES[request.param]())
    directory = tmp_path_factory.mktemp(request.param)
    m.save_pretrained(directory)
    return m, str(directory)


LENGTHS = [5, 200, 1, 17, 16, 48, 49, 97, 130, 3]


def test_logits(model):
    m, directory = model
    rows = rows_of(LENGTHS)
    with torch.no_grad():
        want = m(**padded(rows)).logits
    got = torch.tensor(probe("logits", model=directory, rows=rows)["logits"])
    assert (got - want).abs().max() <= 1e-4


def test_logits_with_types(model):
    m, directory = model
    if m.config.model_type in ("distilbert", "mpnet"):
        pytest.skip(f"{m.config.model_type} has no token types")
    rows = rows_of([9, 40, 33])
    types = [[int(i > len(r) // 2) for i in range(len(r))] for r in rows]
    with torch.no_grad():
        want = m(**padded(rows, types)).logits
        other = m(**padded(rows)).logits
    got = torch.tensor(probe("logits", model=directory, rows=rows, types=types)["logits"])
    assert (got - want).abs().max() <= 1e-4
    assert (got - other).abs().max() > 1e-3


def test_logits_bf16_are_near(model):
    m, directory = model
    rows = rows_of(LENGTHS)
    with torch.no_grad():
        want = m(**padded(rows)).logits
    got = torch.tensor(probe("logits", model=directory, rows=rows, bf16=True)["logits"])
    assert (got - want).abs().max() <= 0.05 * want.abs().max() + 0.02


def reference_gradients(m, rows, labels):
    m = copy.deepcopy(m).eval()
    loss = m(**padded(rows), labels=torch.tensor(labels)).loss
    loss.backward()
    return loss.item(), {n: p.grad for n, p in m.named_parameters()}


@pytest.mark.parametrize("micro_tokens", [0, 128])
@pytest.mark.parametrize("operators", [False, True])
def test_gradients(model, tmp_path, micro_tokens, operators):
    m, directory = model
    rows, labels = rows_of(LENGTHS), [i % 2 for i in range(len(LENGTHS))]
    rows[1][7] = m.config.pad_token_id  # a [PAD] inside a text: its embedding gets no gradient
    loss, want = reference_gradients(m, rows, labels)
    out = tmp_path / "g.safetensors"
    got = probe("gradients", model=directory, rows=rows, labels=labels, save=str(out),
                micro_tokens=micro_tokens, operators=operators)
    assert got["loss"] == pytest.approx(loss, rel=1e-5)
    grads = load_file(out)
    assert grads.keys() == want.keys()
    scale = max(g.norm() for g in want.values())
    for name, g in want.items():
        error = (grads[name] - g).norm()
        # the key bias has a gradient of exactly zero: compare it with the scale of the others
        assert error <= 1e-3 * g.norm() or error <= 1e-6 * scale, (name, error, g.norm())


def test_gradients_bf16_point_the_same_way(model, tmp_path):
    m, directory = model
    rows, labels = rows_of(LENGTHS), [i % 2 for i in range(len(LENGTHS))]
    _, want = reference_gradients(m, rows, labels)
    out = tmp_path / "g.safetensors"
    probe("gradients", model=directory, rows=rows, labels=labels, save=str(out), bf16=True)
    grads = load_file(out)
    a = torch.cat([grads[n].flatten() for n in want])
    b = torch.cat([want[n].flatten() for n in want])
    assert torch.nn.functional.cosine_similarity(a, b, dim=0) > 0.995


def decay_groups(model, weight_decay):
    """As Trainer has them: it leaves out names with "bias", also MPNet's table of distances."""
    decayed = {n for n, p in model.named_parameters() if p.dim() > 1 and "bias" not in n}
    return [{"params": [p for n, p in model.named_parameters() if (n in decayed) == yes],
             "weight_decay": weight_decay if yes else 0.0} for yes in (True, False)]


def test_optimiser_steps(model, tmp_path):
    """Five steps of torch's AdamW with clipping and the Trainer's two weight-decay groups."""
    m, directory = model
    rows, labels = rows_of(LENGTHS), [i % 2 for i in range(len(LENGTHS))]
    ref = copy.deepcopy(m).eval()
    opt = torch.optim.AdamW(decay_groups(ref, 0.1), lr=1e-3)
    losses, norms = [], []
    for _ in range(5):
        loss = ref(**padded(rows), labels=torch.tensor(labels)).loss
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(ref.parameters(), 1.0).item())
        opt.step()
        opt.zero_grad()
        losses.append(loss.item())
    out = tmp_path / "w.safetensors"
    got = probe("steps", model=directory, rows=rows, labels=labels, steps=5, learning_rate=1e-3,
                weight_decay=0.1, save=str(out))
    assert got["losses"] == pytest.approx(losses, rel=1e-3)
    assert got["norms"] == pytest.approx(norms, rel=1e-3)
    weights = load_file(out)
    for name, p in ref.named_parameters():
        if name.endswith(("key.bias", "k_lin.bias", "attn.k.bias")):
            continue  # its gradient is rounding noise, whose sign AdamW follows
        assert (weights[name] - p.detach()).norm() <= 2e-3 * p.norm() + 1e-6, name


@pytest.mark.parametrize("operators", [True, False], ids=["GPU path", "CPU path"])
def test_each_update_is_that_of_adamw(model, tmp_path, operators):
    """Weight by weight, on gradients that are clipped in some steps and not in others: the two
    weight-decay groups, bias corrections, clipping, and gradients that start from zero."""
    m, directory = model
    rows, labels = rows_of([3, 17, 40, 9]), [0, 1, 1, 0]
    settings = {"lr": 1e-3, "eps": 1e-3}
    ref = copy.deepcopy(m).eval()
    opt = torch.optim.AdamW(decay_groups(ref, 0.5), **settings)
    before = {name: p.detach().clone() for name, p in ref.named_parameters()}

    def backward(row):
        opt.zero_grad()
        ref(**padded([rows[row]]), labels=torch.tensor([labels[row]])).loss.backward()
        return torch.nn.utils.clip_grad_norm_(ref.parameters(), math.inf).item()

    norms, steps = [], len(rows) + 2
    limit = 0.97 * statistics.median(backward(row) for row in range(len(rows)))
    for i in range(steps):
        backward(i % len(rows))
        norms.append(torch.nn.utils.clip_grad_norm_(ref.parameters(), limit).item())
        opt.step()
    out = tmp_path / "w.safetensors"
    got = probe("steps", model=directory, rows=rows, labels=labels, steps=steps, one_row=True,
                learning_rate=settings["lr"], eps=settings["eps"], weight_decay=0.5,
                max_grad_norm=limit, operators=operators, save=str(out))
    assert min(norms) < 0.98 * limit and max(norms) > 1.02 * limit
    assert got["norms"] == pytest.approx(norms, rel=1e-3)
    weights = load_file(out)
    for name, p in ref.named_parameters():
        moved = (p.detach() - before[name]).norm()
        assert (weights[name] - p.detach()).norm() <= 2e-3 * moved + 1e-6, name


def test_bfloat16_weights_follow_the_update_of_the_gpu_path(model, tmp_path):
    _, directory = model
    rows, labels = rows_of(LENGTHS), [i % 2 for i in range(len(LENGTHS))]
    ask = {"model": directory, "rows": rows, "labels": labels, "steps": 4, "learning_rate": 1e-3,
           "operators": True, "save": str(tmp_path / "w")}
    exact, rounded = probe("steps", **ask)["losses"], probe("steps", bf16=True, **ask)["losses"]
    assert rounded == pytest.approx(exact, rel=0.1)
    assert exact[3] < exact[0] - 0.01 and rounded[3] < rounded[0] - 0.01


@pytest.mark.parametrize("bf16", [False, True])
def test_dropout_is_random_but_repeatable(model, tmp_path, bf16):
    _, directory = model
    rows, labels = rows_of(LENGTHS), [i % 2 for i in range(len(LENGTHS))]

    def ask(**more):
        return probe("gradients", model=directory, rows=rows, labels=labels, bf16=bf16,
                     threads=1, save=str(tmp_path / "g"), **more)

    losses = ask(dropout=True, seeds=list(range(30)), seed=1)["losses"]
    assert ask(dropout=True, seed=1)["loss"] == losses[1]  # in another process, too
    assert losses[1] != losses[2]
    assert sum(losses) / 30 == pytest.approx(ask()["loss"], rel=0.1)


def test_dropout_gradient_is_that_of_the_masked_loss(tmp_path):
    """The same masks in both passes: the loss moves as its gradient says."""
    torch.manual_seed(1)
    m = spread(FAMILIES["bert"]())
    m.save_pretrained(tmp_path / "m")
    rows, labels = rows_of([30, 12]), [0, 1]
    ask = {"rows": rows, "labels": labels, "dropout": True, "seed": 5,
           "save": str(tmp_path / "g.safetensors")}
    before = probe("gradients", model=str(tmp_path / "m"), **ask)["loss"]
    grads = load_file(tmp_path / "g.safetensors")
    norm2 = sum(float(g.pow(2).sum()) for g in grads.values())
    step = 2e-4 / norm2 ** 0.5
    with torch.no_grad():
        for name, p in m.named_parameters():
            p.sub_(grads[name] * step)
    m.save_pretrained(tmp_path / "m2")
    after = probe("gradients", model=str(tmp_path / "m2"), **ask)["loss"]
    assert before - after == pytest.approx(norm2 * step, rel=0.03)


def test_base_checkpoints(tmp_path):
    """A plain BertModel, the hub's old names, and a DistilBERT masked language model all load; only
    the head is new, and the same for the same seed."""
    torch.manual_seed(1)
    config = FAMILIES["bert"]().config
    full = spread(FAMILIES["bert"]())
    full.bert.save_pretrained(tmp_path / "plain")
    state = {k.replace("Norm.weight", "Norm.gamma").replace("Norm.bias", "Norm.beta"): v
             for k, v in full.state_dict().items() if not k.startswith("classifier")}
    state["cls.predictions.bias"] = torch.zeros(500)
    os.makedirs(tmp_path / "old")
    config.save_pretrained(tmp_path / "old")
    save_file({k: v.contiguous() for k, v in state.items()}, tmp_path / "old" / "model.safetensors",
              metadata={"format": "pt"})
    ask = {"rows": rows_of([20, 4]), "labels": [0, 1], "steps": 1, "learning_rate": 0.0}
    weights = {}
    for kind in ("plain", "old"):
        probe("steps", model=str(tmp_path / kind), save=str(tmp_path / "w"), **ask)
        weights[kind] = load_file(tmp_path / "w")
        for name, p in full.named_parameters():
            if not name.startswith("classifier"):
                assert torch.equal(weights[kind][name], p.detach()), (kind, name)
    assert torch.equal(weights["plain"]["classifier.weight"][:2],
                       weights["old"]["classifier.weight"][:2])
    assert 0.01 < weights["old"]["classifier.weight"].std() < 0.03
    torch.manual_seed(2)
    mlm = transformers.DistilBertForMaskedLM(FAMILIES["distilbert"]().config)
    mlm.save_pretrained(tmp_path / "mlm")
    got = probe("steps", model=str(tmp_path / "mlm"), save=str(tmp_path / "w"), **ask)
    assert "error" not in got
    assert torch.equal(load_file(tmp_path / "w")["distilbert.transformer.layer.1.ffn.lin1.weight"],
                       mlm.distilbert.transformer.layer[1].ffn.lin1.weight)


def test_shards(model, tmp_path):
    m, directory = model
    m.save_pretrained(tmp_path, max_shard_size="100KB")
    assert (tmp_path / "model.safetensors.index.json").exists()
    rows = rows_of([20, 4])
    assert (probe("logits", model=str(tmp_path), rows=rows)["logits"] ==
            probe("logits", model=directory, rows=rows)["logits"])


def broken(tmp_path, model, change):
    target = tmp_path / "broken"
    shutil.copytree(model[1], target)
    change(target)
    return probe("logits", model=str(target), rows=[[1, 2, 3]])


def classifier(state):
    """The last layer's name."""
    return next(n for n in ("classifier.out_proj", "classifier") if n + ".bias" in state)


def edit_weights(change):
    def run(target):
        state = load_file(target / "model.safetensors")
        change(state)
        save_file(state, target / "model.safetensors", metadata={"format": "pt"})
    return run


def edit_config(**changes):
    def run(target):
        config = json.loads((target / "config.json").read_text())
        config.update(changes)
        (target / "config.json").write_text(json.dumps(config))
    return run


def truncate(target):
    data = (target / "model.safetensors").read_bytes()
    (target / "model.safetensors").write_bytes(data[:-10])


def pointer(name):
    """What a clone without LFS has in place of the file."""
    return lambda target: (target / name).write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 12\n")


LFS = ["is a pointer of Git LFS and not the file itself; fetch it with: git lfs pull"]


@pytest.mark.parametrize("change, words", [
    (pointer("model.safetensors"), ["model.safetensors", *LFS]),
    (pointer("config.json"), ["config.json", *LFS]),
    (lambda t: (t / "config.json").unlink(), ["config.json", "No such file"]),
    (lambda t: (t / "model.safetensors").unlink(), ["has no model.safetensors"]),
    (truncate, ["model.safetensors", "damaged"]),
    (edit_weights(lambda s: s.pop(classifier(s) + ".bias")), ["'classifier.", ".bias'", "missing"]),
    (edit_weights(lambda s: s.update({classifier(s) + ".weight": torch.zeros(2, 5)})),
     ["'classifier.", ".weight'", "[2, 5]"]),
    (edit_config(model_type="gpt2"), ["gpt2", "bert, distilbert, electra, mpnet and roberta"]),
    (edit_config(vocab_size=400), ["word_embeddings", "400"]),
    (edit_config(vocab_size="many"), ["vocab_size", "a string"]),
    (edit_config(id2label=["a", "b"]), ["id2label", "a list"]),
    (edit_config(id2label={"0": None, "1": "b"}), ['no name for "0"']),
    (edit_config(id2label={"1": "a", "2": "b"}), ['no name for "0"']),
    (edit_config(num_labels=4, id2label={"0": "a", "1": "b"}), ["num_labels", "4", "2 names"]),
    (edit_config(num_labels="2"), ["num_labels", "a string"]),
    (edit_config(problem_type=5), ["problem_type", "an integer"]),
    (edit_config(layer_norm_eps="1e-5", initializer_range="0.02"), ["must be a number, not a"]),
    (edit_config(hidden_dropout_prob=None, dropout=None), ["dropout", "must be a number"]),
    (edit_config(hidden_act=None, activation=None), ["must be a text, not null"]),
])
def test_broken_directories(model, tmp_path, change, words):
    error = broken(tmp_path, model, change)["error"]
    for word in words:
        assert word in error, error


def test_ids_out_of_range(model):
    _, directory = model
    assert "500" in probe("logits", model=directory, rows=[[1, 500]])["error"]
    assert "tokens" in probe("logits", model=directory, rows=[[1] * 201])["error"]
    assert "tokens" in probe("logits", model=directory, rows=[[]])["error"]


@pytest.mark.parametrize("seed, n", [(42, 10), (43, 2500), (0, 1)])
def test_permutation_is_torchs(seed, n):
    g = torch.Generator()
    g.manual_seed(seed)
    assert probe("permutation", seed=seed, n=n)["order"] == torch.randperm(n, generator=g).tolist()
