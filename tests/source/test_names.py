# SPDX-License-Identifier: MIT
"""Names: an exported function has a caller, a name in a comment exists."""
import re
from collections import Counter
from functools import lru_cache

from tree import TOKEN, all_files, c_files, code, judge, text

WORD = re.compile(r"[A-Za-z_]\w*")
NOT_PRODUCT = ("tests", "bench", "examples")

# ---- exported functions ----

DECLARED = re.compile(r"^(?!typedef|static|return|#)[A-Za-z_][\w *]*?[ *](\w+)\(", re.MULTILINE)
# What only tests call, each with the reason why no test's helper can do it.
SEAMS = {
    "aws_credential_cache_on_change": "the probe counts how often keys come and go",
    "aws_credential_cache_wait": "the probe waits for the thread of the cache",
    "clock_fake_us": "tests set the wall clock",
    "clock_shift_us": "tests move the wall clock",
    "safetensors_at": "a test reads every tensor of a damaged file",
    "safetensors_count": "a test reads every tensor of a damaged file",
    "sigv4_canonical": "AWS's own test suite has the canonical request of each case",
    "tokenizer_vocab_size": "tests compare it with the tokenizers library",
    "torch_net_gradients": "a test compares gradients with PyTorch's autograd",
}


@lru_cache(maxsize=None)
def words(path):
    return Counter(WORD.findall(code(path)))


@lru_cache(maxsize=None)
def users():
    """{name: the C files whose code has it}."""
    found = {}
    for path in c_files():
        for name in words(path):
            found.setdefault(name, []).append(path)
    return found


def defines(path, name):
    return re.search(rf"^(?!static)[A-Za-z_][\w *]*?[ *]{name}\([^;{{]*\)[^;{{]*\n\{{", code(path),
                     re.MULTILINE)


def uncalled(header, name):
    """What is wrong with an exported function, or None. A unit test may call what its file uses."""
    if words(header)[name] > 1:
        return None  # a macro or an inline function of the header
    others = [path for path in users()[name] if path != header]
    product = [path for path in others if path.parts[0] not in NOT_PRODUCT]
    own = [path for path in product if path.suffix != ".h" and defines(path, name)]
    if len(product) > len(own):
        return None
    tested = len(others) > len(product)
    if any(words(path)[name] > 1 for path in own):
        return None if tested else f"{name}() is used in {own[0]} alone: make it static"
    if tested:
        return None if name in SEAMS else f"only tests call {name}(): move it to them"
    return f"nothing calls {name}()"


def test_each_exported_function_has_a_caller():
    headers = [path for path in c_files() if path.suffix == ".h" and path.parts[0] not in
               NOT_PRODUCT]
    found = [(header, uncalled(header, name)) for header in headers
             for name in DECLARED.findall(code(header))]
    judge("caller", [(header, what) for header, what in found if what])


# ---- names in comments ----

NAMED = re.compile(r"`([^`\n]+)`|\b(?:([A-Za-z_]\w*_\w*)|([a-z]\w+)(?=\(\)))")
SPEAKING = ("", ".py", ".sh", ".sql", ".def", ".json", ".build", ".service", ".conf", ".ini",
            ".txt")
# Names that are not ours: whose they are.
ELSEWHERE = {
    "_entry_point_type": "the SageMaker training toolkit",
    "_from_pretrained": "transformers",
    "_handle_200_error": "botocore",
    "_parse_section": "botocore",
    "CLOSE_RANGE_CLOEXEC": "Linux",
    "HTTP_PROXY": "curl and requests read it",
    "PIPE_BUF": "POSIX",
    "SIGNED_HEADERS_BLACKLIST": "botocore",
    "White_Space": "Unicode",
    "create_credential_resolver": "botocore",
    "file_download": "huggingface_hub",
    "fw_utils": "the SageMaker SDK",
    "get_linear_schedule_with_warmup": "transformers",
    "get_warmup_steps": "transformers",
    "is_whitespace": "Rust",
    "isprintable": "Python",
    "normalize_url_path": "botocore",
    "norm_avx512": "made by meson from norm and avx512",
    "pid_namespaces": "a manual page",
    "protected_hardlinks": "Linux",
    "sem_clockwait": "glibc",
    "snake_case": "English",
    "tokenization_auto": "transformers",
    "tokenization_bert": "transformers",
    "tokenization_utils_base": "transformers",
    "tokenization_utils_tokenizers": "transformers",
    "use_threads": "Arrow",
    "validate_repo_id": "huggingface_hub",
}
# Words of a usage or a pattern that stand for a value.
PLACEHOLDERS = {"CMD_main", "GPU_INDEX", "MODEL_DIR", "TOTAL_BYTES", "USED_BYTES"}


def code_and_literals(path):
    return TOKEN.sub(lambda match: " " if match.group()[0] == "/" else match.group(), text(path))


@lru_cache(maxsize=None)
def known():
    """Every word of the tree outside of comments and pages."""
    found = set()
    for path in all_files():
        found.update(WORD.findall(str(path)))
        if path.name == "test_names.py":
            continue
        if path.suffix in (".c", ".h", ".cpp", ".hpp"):
            found.update(WORD.findall(code_and_literals(path)))
        elif path.suffix in SPEAKING:
            try:
                found.update(WORD.findall(text(path)))
            except UnicodeDecodeError:
                pass  # a fixture of bytes
    return found


def names_in(comment):
    for quoted, name, function in NAMED.findall(comment):
        yield from WORD.findall(quoted) if quoted else [name or function]


def is_known(name):
    """True if the tree has the name; of a name that ends or begins with '_', if a name goes on."""
    if name in known() or name in ELSEWHERE or name in PLACEHOLDERS:
        return True
    if name.endswith("_"):
        return any(word.startswith(name) for word in known())
    return name.startswith("_") and any(word.endswith(name) for word in known())


def test_each_name_in_a_comment_exists():
    bad = []
    for path in c_files():
        for match in TOKEN.finditer(text(path)):
            if match.group()[0] != "/":
                continue
            line = text(path).count("\n", 0, match.start()) + 1
            bad += [(path, f"line {line}: there is no {name}")
                    for name in names_in(match.group()) if not is_known(name)]
    judge("stale-name", bad)


def test_each_listed_name_is_needed():
    said = {name for path in c_files() for match in TOKEN.finditer(text(path))
            if match.group()[0] == "/" for name in names_in(match.group())}
    listed = [*ELSEWHERE, *PLACEHOLDERS]
    assert not [name for name in listed if name not in said or name in known()]
    assert not [name for name in SEAMS if name not in users()]
