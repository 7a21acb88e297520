# SPDX-License-Identifier: MIT
"""An endpoint's server (worker/serve) beside transformers' text-classification pipeline on the same
models, and what it says to bad requests. Runs the real worker."""
import concurrent.futures
import copy
import csv
import io
import json
import os
import random
import signal
from pathlib import Path

import pytest
import torch
import transformers

from serving import DEADLINE_S, Server, UnixConnection, save, tiny
from texts import BUILD, minilm, reviews

pytestmark = pytest.mark.skipif(not (BUILD / "worker/trainyard-native").exists(),
                                reason="built without the native engine")
BODY_MAX = 6291456
INPUTS_MAX = 512

TEXTS = ["I love using the new Inference DLC.", "", " ", "Terrible. Just terrible!",
         "\U0001f642 fun", "caf\u00e9 na\u00efve \u4f60\u597d",
         "word " * 10_000, "a" * 5000, "[SEP] [MASK] [CLS]",
         "\t tabs\nand \r\n lines", "nul\0 char\0acters \0"]


MODELS = {
    "minilm": lambda: transformers.BertForSequenceClassification.from_pretrained(
        minilm(), id2label={0: "negative", 1: "positive"}, label2id={"negative": 0, "positive": 1}),
    "three": lambda: transformers.BertForSequenceClassification(tiny(num_labels=3)),
    "numbers": lambda: transformers.BertForSequenceClassification(
        tiny(id2label={0: 1, 1: 2.5, 2: "3"})),
    "multi": lambda: transformers.BertForSequenceClassification(
        tiny(num_labels=4, problem_type="multi_label_classification")),
    "distilbert": lambda: transformers.DistilBertForSequenceClassification(
        transformers.DistilBertConfig(vocab_size=30522, dim=32, hidden_dim=64, n_heads=2,
                                      n_layers=2, max_position_embeddings=128, num_labels=2)),
}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    made = {}

    def get(name):
        if name not in made:
            torch.manual_seed(3)
            made[name] = save(MODELS[name](), tmp_path_factory.mktemp(name))
        return made[name]
    return get


@pytest.fixture(scope="module")
def servers(models, tmp_path_factory):
    made = {}

    def get(name):
        if name not in made:
            made[name] = Server(tmp_path_factory.mktemp("x"), models(name)).wait_ready()
        return made[name]
    yield get
    for s in made.values():
        status, said = s.end()
        assert status == 0, said


@pytest.fixture(scope="module")
def pipelines(models):
    made = {}

    def get(name):
        if name not in made:
            made[name] = transformers.pipeline("text-classification", model=str(models(name)),
                                               device="cpu")
            limit = made[name].model.config.max_position_embeddings
            tokenizer = made[name].tokenizer
            tokenizer.model_max_length = min(limit, tokenizer.model_max_length)
        return made[name]
    return get


def same(ours, theirs, where=""):
    """Equal shapes and labels; scores within 1e-4."""
    assert type(ours) is type(theirs), (where, ours, theirs)
    if isinstance(theirs, list):
        assert len(ours) == len(theirs), (where, ours, theirs)
        for i, (a, b) in enumerate(zip(ours, theirs)):
            same(a, b, f"{where}[{i}]")
    else:
        assert set(ours) == {"label", "score"}
        assert ours["label"] == theirs["label"], (where, ours, theirs)
        assert abs(ours["score"] - theirs["score"]) <= 1e-4, (where, ours, theirs)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("parameters", [
    {}, {"top_k": 1}, {"top_k": 2}, {"top_k": 99}, {"top_k": None},
    {"function_to_apply": "sigmoid"}, {"function_to_apply": "none", "top_k": None},
    {"function_to_apply": "softmax"}],
    ids=lambda p: json.dumps(p))
def test_answers_equal_the_pipeline(servers, pipelines, name, parameters):
    if name == "minilm" and parameters not in ({}, {"top_k": None}):
        pytest.skip("the tiny models are enough for this form of answer")
    server, pipeline = servers(name), pipelines(name)
    for inputs in (TEXTS[0], TEXTS[1], TEXTS[6], TEXTS, [TEXTS[0]],
                   {"text": TEXTS[0], "text_pair": TEXTS[3]}, {"text": TEXTS[0]},
                   [{"text": t, "text_pair": u} for t, u in zip(TEXTS, reversed(TEXTS))]):
        want = pipeline(inputs, truncation=True, **parameters)
        same(server.ask(inputs, **parameters), want, repr(inputs)[:80])


def test_real_reviews(servers, pipelines):
    texts = [text for text, _ in reviews()[:24]]
    same(servers("minilm").ask(texts), pipelines("minilm")(texts, truncation=True))


def test_no_texts_no_answers(servers):
    assert servers("three").ask([]) == []


def test_pairs_in_every_form(servers):
    server = servers("three")
    want = server.ask([{"text": "one", "text_pair": "two"}, {"text": "three", "text_pair": ""}])
    assert want[0] != want[1]
    assert server.ask([["one", "two"], ["three", ""]]) == want
    assert server.ask([[["one", "two"]], [["three", ""]]]) == want
    status, alone = server.invoke({"text": "one", "text_pair": "two"})
    assert status == 200
    same(alone, want[0])


def csv_of(rows):
    """As the container's encode_csv: the rows by Python's own writer."""
    out = io.StringIO()
    writer = csv.DictWriter(out, rows[0].keys())
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


@pytest.mark.parametrize("name", ["three", "numbers"])
def test_csv_as_the_container_takes_it(servers, pipelines, name):
    """Its decode_csv gives the pipeline the column `inputs` of csv.DictReader, its encode_csv
    writes the answers. Each form of the request goes with each of the answer."""
    body = csv_of([{"id": i, "inputs": t} for i, t in enumerate(TEXTS)])
    texts = [row["inputs"] for row in csv.DictReader(io.StringIO(body, newline=""))]
    want = pipelines(name)(texts, truncation=True)
    csv_type, accept = {"Content-Type": "text/csv; charset=utf-8"}, {"Accept": "text/csv"}

    def ask(data, headers):
        status, answer, got = servers(name).request("POST", "/invocations", data, headers)
        assert status == 200, answer
        assert got["Content-Type"] == headers.get("Accept", "application/json")
        return answer

    same(ask(body.encode(), csv_type), want)
    for answer in (ask(body.encode(), csv_type | accept),
                   ask(json.dumps({"inputs": texts}), accept)):
        header, *rows = csv.reader(io.StringIO(answer, newline=""))
        assert header == ["label", "score"]
        same([{"label": a, "score": float(b)} for a, b in rows],
             [{**one, "label": str(one["label"])} for one in want])
        assert answer == csv_of([{"label": a, "score": b} for a, b in rows])


def test_what_has_no_form_as_csv_is_refused(servers):
    for data, kind, part in [(b"text\na\n", "text/csv", "header with the column 'inputs'"),
                             (b'{"inputs": ["a"], "parameters": {"top_k": 2}}',
                              "application/json", "one label for each text")]:
        status, answer, got = servers("three").request(
            "POST", "/invocations", data, {"Content-Type": kind, "Accept": "text/csv"})
        assert status == 400 and part in answer["error"]
        assert got["Content-Type"] == "application/json"


def test_return_all_scores_as_in_version_4(servers):
    server = servers("three")
    best_first = server.ask("hello", top_k=None)
    in_order = sorted(best_first, key=lambda a: a["label"])
    assert server.ask("hello", return_all_scores=True) == [in_order]
    assert server.ask(["hello"], return_all_scores=True) == [in_order]
    assert server.ask("hello", return_all_scores=False) == [best_first[0]]
    assert server.ask("hello", return_all_scores=True, top_k=1) == [best_first[0]]


def test_max_length_and_truncation(servers, pipelines):
    long = " ".join(random.Random(5).choices(["good", "bad", "film", "plot", "the", "was"], k=400))
    server, pipeline = servers("minilm"), pipelines("minilm")
    for n in (3, 16, 100):
        same(server.ask(long, max_length=n), pipeline(long, truncation=True, max_length=n))
    whole = server.ask(long)
    for truncation in (True, False, "longest_first", None):
        assert server.ask(long, truncation=truncation, padding=True) == whole
    assert server.ask(long, max_length=1_000_000) == whole


def test_fifty_at_once_get_their_own_answers(servers):
    server = servers("minilm")
    rng = random.Random(1)
    rows = [text[:rng.randrange(1, 300)] for text, _ in reviews()[:200]]
    alone = [server.ask(text)[0] for text in rows]
    lists = [rows[i:i + 1 + i % 7] for i in range(0, 200, 4)]
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        got = list(pool.map(server.ask, lists))
    for i, answers in enumerate(got):
        same(answers, alone[i * 4:i * 4 + len(lists[i])], str(i))


def test_one_pool_of_threads(tmp_path, models):
    """Loading left a pool of OpenMP's threads of its own. Threads then outnumbered cores, so that
    those of the inference slept at each of the hundred meetings of a short text."""
    server = Server(tmp_path / "four", models("minilm"), cpus=4).wait_ready()
    try:
        tasks = Path(f"/proc/{server.process.pid}/task")
        names = [(task / "comm").read_text().strip() for task in tasks.iterdir()]
        assert names.count("trainyard-nativ") == 2 + 3 + 3, (
            "the main and the inference thread, three of OpenMP's and three of torch's own pool")
    finally:
        server.end()


def test_connections_are_kept(servers):
    server = servers("three")
    c = UnixConnection(server.path)
    first = server.invoke({"inputs": "hello"}, c)
    assert first[0] == 200
    port = c.sock
    for _ in range(20):
        assert server.invoke({"inputs": "hello"}, c) == first
        assert server.request("GET", "/ping", connection=c)[0] == 200
    assert c.sock is port
    c.close()


@pytest.mark.parametrize("body, field, word", [
    (b"", None, "JSON"), (b"{", None, "JSON"), (b"\xff", None, "JSON"),
    (b"[" * 100, None, "nested"), (b'{"inputs": "\xff"}', None, "JSON"),
    (b'"text"', None, "an object"),
    (b"[]", None, "an object"),
    ({}, "/inputs", "inputs is missing"), ({"inputs": None}, "/inputs", "not null"),
    ({"inputs": 3}, "/inputs", "not an integer"), ({"inputs": ["a", 3]}, "/inputs/1", "text"),
    ({"inputs": [["a"]]}, "/inputs/0", "pair"),
    ({"inputs": [["a", "b", "c"]]}, "/inputs/0", "pair"),
    ({"inputs": [["a", 1]]}, "/inputs/0", "text"),
    ({"inputs": {"text_pair": "b"}}, "/inputs", "text"),
    ({"inputs": {"text": "a", "more": 1}}, "/inputs", "text"),
    ({"inputs": "a", "parameter": {}}, "/parameter", "no field"),
    ({"inputs": "a", "parameters": []}, "/parameters", "object"),
    ({"inputs": "a", "parameters": {"topk": 1}}, "/parameters/topk", "did you mean 'top_k'"),
    ({"inputs": "a", "parameters": {"top_k": 0}}, "/parameters/top_k", "above 0"),
    ({"inputs": "a", "parameters": {"top_k": "all"}}, "/parameters/top_k", "above 0"),
    ({"inputs": "a", "parameters": {"function_to_apply": "tanh"}}, "/parameters/function_to_apply",
     "softmax"),
    ({"inputs": "a", "parameters": {"max_length": 1}}, "/parameters/max_length", "2 or more"),
    ({"inputs": [["a", "b"]], "parameters": {"max_length": 2}}, "/parameters/max_length",
     "3 or more for pairs"),
    ({"inputs": "a", "parameters": {"truncation": 1}}, "/parameters", "truncation"),
    ({"inputs": "a", "parameters": {"return_all_scores": 1}}, "/parameters/return_all_scores",
     "true or false"),
    ({"inputs": ["a"] * (INPUTS_MAX + 1)}, "/inputs", "at most 512"),
])
def test_bad_payloads(servers, body, field, word):
    status, answer = servers("three").invoke(body)
    assert status == 400 and answer.get("field") == field and word in answer["error"], answer


def test_limits(servers):
    server = servers("three")
    assert len(server.ask(["a"] * INPUTS_MAX)) == INPUTS_MAX
    head, tail = b'{"inputs": "', b'"}'
    fits = head + b"x" * (BODY_MAX - len(head) - len(tail)) + tail
    assert server.invoke(fits)[0] == 200
    said = {"error": f"the body is larger than {BODY_MAX} bytes, the limit"}
    assert server.invoke(fits + b" ") == (413, said)
    c = UnixConnection(server.path)  # the same without a Content-Length
    c.request("POST", "/invocations", iter([fits, b" "]), {"Content-Type": "application/json"},
              encode_chunked=True)
    assert c.getresponse().status == 413
    c.close()


def test_other_urls_methods_and_types(servers):
    server = servers("three")
    assert server.request("GET", "/ping")[:2] == (200, {"status": "Healthy"})
    assert server.request("GET", "/")[0] == 404
    assert server.request("POST", "/ping", b"{}")[0] == 405
    assert server.request("GET", "/invocations")[0] == 405
    status, answer, _ = server.request("POST", "/invocations", b"a", {"Content-Type": "text/plain"})
    assert status == 415 and "application/json or text/csv" in answer["error"]
    for kind in ("application/json; charset=utf-8", "APPLICATION/JSON", "*/*"):
        got = server.request("POST", "/invocations", b'{"inputs": "a"}', {"Content-Type": kind})
        assert got[0] == 200


def test_garbage_does_no_harm(servers):
    server = servers("three")
    for junk in (b"\0" * 100, b"GET\r\n\r\n",
                 b"POST /invocations HTTP/1.1\r\nContent-Length: 9\r\n\r\n{"):
        c = UnixConnection(server.path)
        c.connect()
        c.sock.sendall(junk)
        c.close()
    assert server.request("GET", "/ping")[0] == 200


def test_too_much_waiting_is_said(models, tmp_path):
    server = Server(tmp_path, models("minilm"), cpus=1).wait_ready()
    big = json.dumps({"inputs": ["good film " * 300] * INPUTS_MAX})  # 262,144 tokens; 4 million fit
    refused = []

    def one(_):
        try:
            status, answer, headers = server.request("POST", "/invocations", big)
        except OSError:
            return  # of those that were waiting when the server was killed
        assert status == 429 and headers["Retry-After"] == "1"
        assert "wait already; try again" in answer["error"]
        refused.append(status)
        server.process.kill()  # enough seen
    with concurrent.futures.ThreadPoolExecutor(24) as pool:
        list(pool.map(one, range(24)))
    assert refused
    server.process.communicate()


def test_sigterm_answers_what_has_come(models, tmp_path):
    server = Server(tmp_path, models("minilm")).wait_ready()
    texts = [text for text, _ in reviews()[:40]]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(server.ask, texts) for _ in range(3)]
        c = UnixConnection(server.path)
        assert server.request("GET", "/ping", connection=c)[0] == 200
        server.process.send_signal(signal.SIGTERM)
        done = [f.result(DEADLINE_S) for f in asked if f.exception(DEADLINE_S) is None]
    status, said = server.end()
    assert status == 0, said
    assert all(len(answers) == 40 for answers in done)
    assert not server.path.exists()
    assert not server.x.of_type("failure")


def test_result_and_readiness(servers):
    server = servers("three")
    kinds = [e["t"] for e in server.x.events]
    assert kinds == ["result", "ready"]
    assert server.x.of_type("result")[0]["values"] == {
        "parity": "skipped", "parity_reason": "the model has no parity.json", "device": "cpu",
        "dtype": "float32"}


@pytest.fixture(scope="module")
def samples(pipelines):
    """What a training would have left."""
    pipeline = pipelines("minilm")
    texts = [text for text, _ in reviews()[:10]] + TEXTS
    answers = pipeline(texts, truncation=True)
    made = [{"text": text, **answer} for text, answer in zip(texts, answers)]
    pair = {"text": "a", "text_pair": "b"}
    return made + [{**pair, **pipeline(pair)}]


def with_parity(models, samples, directory, change=lambda samples: None):
    directory.mkdir()
    for path in models("minilm").iterdir():
        os.link(path, directory / path.name)
    samples = copy.deepcopy(samples)
    change(samples)
    (directory / "parity.json").write_text(json.dumps(
        {"v": 1, "dtype": "float32", "max_length": 512, "samples": samples}))
    return directory


def test_parity_passes(models, samples, tmp_path):
    server = Server(tmp_path / "x", with_parity(models, samples, tmp_path / "m")).wait_ready()
    result = server.x.of_type("result")[0]["values"]
    assert (result["parity"], result["parity_rows"]) == ("passed", 22)
    assert 0 <= result["parity_max_diff"] <= 1e-4
    assert server.end()[0] == 0


def flip(samples):
    s = samples[4]
    s["label"] = "negative" if s["label"] == "positive" else "positive"


def shift(samples):
    samples[20]["score"] -= 0.002


def rename(samples):
    samples[0]["label"] = "LABEL_9"


@pytest.mark.parametrize("change, code, word", [
    (flip, "parity_failed", "sample 4 of 22"), (shift, "parity_failed", "sample 20 of 22"),
    (rename, "parity_failed", "no label 'LABEL_9'"),
    (lambda s: s[3].pop("score"), "data_corrupt", "sample 3"),
    (lambda s: s.clear(), "data_corrupt", "not a parity sample"),
])
def test_parity_fails(models, samples, tmp_path, change, code, word):
    server = Server(tmp_path / "x", with_parity(models, samples, tmp_path / "m", change))
    server.process.wait(DEADLINE_S)
    assert server.end()[0] == 1
    failure = server.x.of_type("failure")[0]
    assert failure["code"] == code and word in failure["message"], failure
    assert not server.x.of_type("ready") and not server.path.exists()


HAS_BF16 = "avx512_bf16" in Path("/proc/cpuinfo").read_text(encoding="utf-8")


def result_of(directory, model, dtype):
    """What a server with this dtype reports, and its answers to TEXTS."""
    server = Server(directory / "x", model, dtype=dtype).wait_ready()
    answers = server.ask(TEXTS)
    assert server.end()[0] == 0
    return server.x.of_type("result")[0]["values"], answers


def test_dtype_bf16(models, samples, tmp_path, pipelines):
    model = with_parity(models, samples, tmp_path / "m")
    result, answers = result_of(tmp_path, model, "bf16")
    assert result["dtype"] == "bfloat16" and "dtype_reason" not in result
    assert 1e-7 < result["parity_max_diff"] <= 1e-2, "the difference of bf16 numbers"
    for answer, want in zip(answers, pipelines("minilm")(TEXTS, truncation=True), strict=True):
        assert answer["label"] == want["label"] and abs(answer["score"] - want["score"]) < 0.01


def test_dtype_auto_takes_bf16_if_no_answer_changes(models, samples, tmp_path):
    result, _ = result_of(tmp_path, with_parity(models, samples, tmp_path / "m"), "auto")
    assert result["dtype"] == ("bfloat16" if HAS_BF16 else "float32")
    assert result["parity_other_labels"] == 0 and ("dtype_reason" in result) != HAS_BF16


def steepen(model, texts, tmp_path):
    """Multiply the head's weights by 100, and move its bias so that half of the texts have each
    label."""
    with torch.no_grad():
        model.classifier.weight.mul_(100)
    save(model, tmp_path / "steep")
    raw = transformers.pipeline("text-classification", model=str(tmp_path / "steep"), top_k=None,
                                function_to_apply="none")(texts, truncation=True)
    first = model.config.id2label[0]
    gaps = sorted(sum(e["score"] if e["label"] == first else -e["score"] for e in answer)
                  for answer in raw)
    with torch.no_grad():
        model.classifier.bias[0] -= gaps[len(gaps) // 2]


@pytest.mark.skipif(not HAS_BF16, reason="the processor has no bf16 instructions")
@pytest.mark.parametrize("sample, reason", [
    (True, "does not answer as after its training"), (False, "has no parity sample")])
def test_dtype_auto_takes_fp32(tmp_path, sample, reason):
    """A head so steep, about a tie, that bf16 moves scores by more than 0.01; a model without a
    sample."""
    torch.manual_seed(3)
    model = MODELS["minilm"]()
    texts = [text for text, _ in reviews()[:40]]
    if sample:
        steepen(model, texts, tmp_path)
    save(model, tmp_path / "m")
    pipeline = transformers.pipeline("text-classification", model=str(tmp_path / "m"))
    if sample:
        made = [{"text": text, **answer}
                for text, answer in zip(texts, pipeline(texts, truncation=True))]
        (tmp_path / "m" / "parity.json").write_text(json.dumps(
            {"v": 1, "dtype": "float32", "max_length": 512, "samples": made}))
    result, answers = result_of(tmp_path, tmp_path / "m", "auto")
    assert result["dtype"] == "float32" and reason in result["dtype_reason"]
    same(answers, pipeline(TEXTS, truncation=True), "fp32")


@pytest.mark.skipif(not HAS_BF16, reason="the processor has no bf16 instructions")
def test_dtype_auto_takes_fp32_if_a_label_changes(tmp_path):
    """Scores so near to a tie that any difference of numbers may change the label."""
    torch.manual_seed(3)
    model = MODELS["minilm"]()
    with torch.no_grad():
        model.classifier.weight.mul_(1e-5)
        model.classifier.bias.zero_()
    save(model, tmp_path / "m")
    best = transformers.pipeline("text-classification", model=str(tmp_path / "m"))(TEXTS[0])[0]
    other = "negative" if best["label"] == "positive" else "positive"
    (tmp_path / "m" / "parity.json").write_text(json.dumps(
        {"v": 1, "dtype": "float32", "max_length": 512,
         "samples": [{"text": TEXTS[0], "label": other, "score": 1 - best["score"]}]}))
    result, _ = result_of(tmp_path, tmp_path / "m", "auto")
    assert result["dtype"] == "float32" and "changes the label" in result["dtype_reason"]
    assert result["parity_other_labels"] == 1 and result["parity_max_diff"] <= 1e-4


@pytest.mark.parametrize("model, code", [("/no/such/model", "data_missing"), ("relative",
                                                                              "invalid_input")])
def test_model_that_is_not_there(tmp_path, model, code):
    server = Server(tmp_path, model)
    server.process.wait(DEADLINE_S)
    assert server.end()[0] == 1
    assert server.x.of_type("failure")[0]["code"] == code


def test_deep_directory(models, tmp_path):
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    server = Server(deep, models("three")).wait_ready()
    assert server.request("GET", "/ping")[0] == 200
    assert oct(server.path.stat().st_mode & 0o777) == "0o600"
    assert server.end()[0] == 0
