# SPDX-License-Identifier: MIT
"""Which files of a folder are read if it holds several configurations, beside `datasets`."""
import datasets
import pytest

from execution import Execution
from texts import minilm

LABELS = [0, 1] * 4


def write(folder, *names, config=""):
    """One Parquet file per name; each text says the configuration and the file."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        datasets.Dataset.from_dict({"text": [f"{config} {path.stem} {i}" for i in range(8)],
                                    "label": LABELS}).to_parquet(path)


def card(folder, yaml):
    (folder / "README.md").write_text(f"---\n{yaml}---\n# A data set\n")
    return folder


def glue(folder, layout="{config}/{split}-00000-of-00001.parquet"):
    for config in ("cola", "sst2"):
        write(folder, *(layout.format(config=config, split=split) for split in ("train", "test")),
              config=config)
    return folder


CARD = """configs:
- config_name: cola
  data_files:
  - split: train
    path: cola/train-*
  - split: test
    path: cola/test-*
- config_name: sst2
  data_files:
  - split: train
    path: sst2/train-*
  - split: test
    path: [sst2/test-*]
"""


def preprocess(tmp_path, path, **dataset):
    return Execution(tmp_path / "x", "preprocess", {"model": str(minilm()),
                                                    "dataset": {"path": str(path)} | dataset}).run()


def texts(x):
    assert x.status == 0, x.stderr
    return {split: sorted(datasets.load_from_disk(str(x.work / "output" / split))
                          .with_format(None)["text"]) for split in ("train", "test")}


def loaded(path, config, tmp_path):
    return {split: sorted(rows["text"]) for split, rows in
            datasets.load_dataset(str(path), config, cache_dir=str(tmp_path / "cache")).items()}


@pytest.mark.parametrize("yaml, config", [
    (CARD, "cola"), (CARD, "sst2"),
    (CARD.replace("sst2\n", "sst2\n  default: true\n"), None),
    (CARD.replace("config_name: cola", "config_name: default"), None),
    (CARD[:CARD.index("- config_name: sst2")], None),
    ("configs:\n- config_name: a\n  data_dir: cola\n- config_name: b\n  data_dir: sst2/\n", "b"),
    ("configs:\n- config_name: a\n  data_dir: cola\n- config_name: b\n  data_dir: sst2/\n", "a")])
def test_the_card_chooses_the_files_of_a_folder(tmp_path, yaml, config):
    path = card(glue(tmp_path / "d"), yaml)
    x = preprocess(tmp_path, path, **({"config": config} if config else {}))
    assert texts(x) == loaded(path, config, tmp_path)


@pytest.mark.parametrize("config, said", [
    (None, "several configurations; name one in dataset.config: 'cola', 'sst2'"),
    ("mnli", "no configuration 'mnli'; name one that it has in dataset.config: 'cola', 'sst2'")])
def test_several_configurations_are_never_mixed(tmp_path, config, said):
    path = card(glue(tmp_path / "d"), CARD)
    with pytest.raises(ValueError):
        loaded(path, config, tmp_path)
    failure = preprocess(tmp_path, path, **({"config": config} if config else {})).failure
    assert (failure["code"], failure["field"]) == ("invalid_input", "/dataset/config")
    assert said in failure["message"]


def test_a_configuration_without_files_is_refused(tmp_path):
    path = card(glue(tmp_path / "d"), CARD.replace("cola/t", "gone/t"))
    with pytest.raises(FileNotFoundError):
        loaded(path, "cola", tmp_path)
    failure = preprocess(tmp_path, path, config="cola").failure
    assert "the configuration 'cola' of" in failure["message"]
    assert "has no file of data" in failure["message"]


@pytest.mark.parametrize("layout, folder", [
    ("{config}/{split}-00000-of-00001.parquet", ""), ("{config}/{split}/0000.parquet", ""),
    ("{config}/{split}.parquet", ""), ("{config}/{split}/part-0.parquet", ""),
    ("data/{config}/{split}-00000-of-00001.parquet", "data/")])
def test_without_a_card_a_configuration_is_a_folder(tmp_path, layout, folder):
    path = glue(tmp_path / "d", layout)
    said = f"name one in dataset.config: '{folder}cola', '{folder}sst2'"
    failure = preprocess(tmp_path / "1", path).failure
    assert failure["field"] == "/dataset/config"
    assert f"several configurations; {said}" in failure["message"]
    assert texts(preprocess(tmp_path / "2", path, config=f"{folder}sst2")) \
        == loaded(path / folder / "sst2", None, tmp_path)
    failure = preprocess(tmp_path / "3", path, config="mnli").failure
    assert "has no configuration 'mnli'" in failure["message"]


def test_the_folder_above_configurations_is_none(tmp_path):
    path = glue(tmp_path / "d", "data/{config}/{split}-00000-of-00001.parquet")
    failure = preprocess(tmp_path, path, config="data").failure
    assert failure["field"] == "/dataset/config"
    assert "name one that it has in dataset.config: 'data/cola', 'data/sst2'" in failure["message"]


@pytest.mark.parametrize("layout", ["{config}-{split}-00000-of-00001.parquet",
                                    "{split}/{config}-00000-of-00001.parquet"])
def test_without_a_card_a_configuration_is_in_the_names(tmp_path, layout):
    path = glue(tmp_path / "d", layout)
    failure = preprocess(tmp_path / "1", path).failure
    assert failure["field"] == "/dataset/config"
    assert "several configurations; name one in dataset.config: 'cola', 'sst2'" \
        in failure["message"]
    files = {split: [str(path / layout.format(config="sst2", split=split))]
             for split in ("train", "test")}
    rows = datasets.load_dataset("parquet", data_files=files, cache_dir=str(tmp_path / "cache"))
    assert texts(preprocess(tmp_path / "2", path, config="sst2")) \
        == {split: sorted(part["text"]) for split, part in rows.items()}


def test_config_default_takes_all_files_as_datasets_does(tmp_path):
    path = glue(tmp_path / "d")
    assert texts(preprocess(tmp_path, path, config="default")) == loaded(path, None, tmp_path)


@pytest.mark.parametrize("names", [
    ("{split}-00000-of-00002.parquet", "{split}-00001-of-00002.parquet"),
    ("data/{split}-00000-of-00002.parquet", "data/{split}-00001-of-00002.parquet"),
    ("{split}/a.parquet", "{split}/b.parquet"), ("{split}_1/a.parquet", "{split}_2/a.parquet"),
    ("my-{split}-00000-of-00002.parquet", "my-{split}-00001-of-00002.parquet")])
def test_files_of_one_configuration_stay_together(tmp_path, names):
    path = tmp_path / "d"
    write(path, *(name.format(split=split) for name in names for split in ("train", "test")))
    assert texts(preprocess(tmp_path, path)) == loaded(path, None, tmp_path)


def test_partitions_of_one_configuration_stay_together(tmp_path):
    path = tmp_path / "d"
    write(path, "train/year=1/part-0.parquet", config="1")
    write(path, "train/year=2/part-0.parquet", "test/part-0.parquet", config="2")
    assert texts(preprocess(tmp_path, path)) == loaded(path, None, tmp_path)


def test_a_file_has_no_configuration(tmp_path):
    path = tmp_path / "d.csv"
    path.write_text("text,label\na,x\nb,y\n")
    failure = preprocess(tmp_path, path, config="x").failure
    assert failure["field"] == "/dataset/config" and "remove dataset.config" in failure["message"]
