# SPDX-License-Identifier: MIT
"""The grammar of the AWS files beside botocore's, and who names the region."""

import pytest

from chain import SECRET, static

READABLE = {
    "spaces and cases": f"[default]\nAWS_Access_Key_ID=AKIA-x\naws_secret_access_key   = {SECRET}",
    "colons": f"[default]\naws_access_key_id: AKIA-x\naws_secret_access_key : {SECRET}=:/+\n",
    "comments": f"# one\n; two\n[default]\n  # three\naws_access_key_id = AKIA-x\n"
                f";x\naws_secret_access_key = {SECRET}\n",
    "no comment after a value": f"[default]\naws_access_key_id = AKIA-x\n"
                                f"aws_secret_access_key = {SECRET} # {SECRET}\n",
    "crlf": f"[default]\r\naws_access_key_id = AKIA-x\r\naws_secret_access_key = {SECRET}\r\n",
    "indented as a whole": f"[default]\n    aws_access_key_id = AKIA-x\n    aws_secret_access_key"
                           f" = {SECRET}\n",
    "section after text": f"[default] trailing\naws_access_key_id = AKIA-x\n"
                          f"aws_secret_access_key = {SECRET}\n",
    "nested keys": f"[default]\ns3 =\n  aws_access_key_id = AKIA-wrong\n  max_queue = 5\n"
                   f"aws_access_key_id = AKIA-x\naws_secret_access_key = {SECRET}\n",
    "empty lines": f"\n\n[other]\n\n[default]\n\naws_access_key_id = AKIA-x\n\n\n"
                   f"aws_secret_access_key = {SECRET}\n\n",
}


@pytest.mark.parametrize("text", READABLE.values(), ids=READABLE)
@pytest.mark.parametrize("which", ["config", "credentials"])
def test_reads_what_botocore_reads(aws, text, which):
    aws.write(**{which: text})
    aws.same("AKIA-x")


WRONG = {
    "no section": (f"aws_access_key_id = {SECRET}\n", 1, "must come before the keys"),
    "no value": (f"[default]\n\n{SECRET}\n", 3, "a line must be 'key = value'"),
    "open bracket": (f"[default\naws_access_key_id = {SECRET}\n", 1, "a name in brackets"),
    "no name": (f"[default]\n[]\n", 2, "a name in brackets"),
    "no key": (f"[default]\n = {SECRET}\n", 2, "there is no key"),
    "key twice": (f"[default]\nregion = {SECRET}\nregion = b\n", 3, "appears twice in the section"),
    "section twice": ("[default]\n[a]\n[default]\n", 3, "appears twice in the file"),
    "nested nonsense": (f"[default]\ns3 =\n  {SECRET}\n", 3, "must be 'key = value'"),
}


@pytest.mark.parametrize("text, line, words", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("which", ["config", "credentials"])
def test_one_sentence_for_what_cannot_be_read(aws, text, line, words, which):
    aws.write(**{which: text})
    said = aws.refused(words)
    assert said.startswith(f"{aws.home}/.aws/{which}, line {line}: ")


def test_not_utf8(aws):
    (aws.home / ".aws/config").write_bytes(b"[default]\nregion = \xff\xfe\n")
    assert "line 2: the line is not UTF-8" in aws.refused("config")


def test_longest_file(aws):
    line = "# " + "x" * 61 + "\n"
    aws.write("[default]\n" + static("big") + line * ((1 << 20) // 64 - 4))
    aws.same("AKIA-big")
    aws.write("[default]\n" + static("big") + line * ((1 << 20) // 64 + 1))
    assert ".aws/config" in aws.ours()["error"]


def test_profiles_with_quotes(aws):
    aws.write(f'[profile "two words"]\n{static("two")}[profile   spaced]\n{static("spaced")}')
    aws.same("AKIA-two", profile="two words")
    aws.same("AKIA-spaced", profile="spaced")


NAMES = {
    "single quotes": ("profile 'Foo Bar'", "Foo Bar"),  # what `aws configure` writes
    "double quotes": ('profile "Foo Bar"', "Foo Bar"),
    "escaped": (r"profile Foo\ Bar", "Foo Bar"),
    "a quote inside": ('profile "Foo\'s"', "Foo's"),
    "quotes in quotes": (r'profile "a\"b"', 'a"b'),
    "a part in quotes": ("profile a'b c'd", "ab cd"),
    "tab": ("profile\tx", "x"),
    "blanks behind": ("profile x  ", "x"),
    "no comment": ("profile a#b", "a#b"),
    "another first word": ("profiles x", "x"),
    "not ASCII": ("profile 'J\u00fcrgen \u30b5'", "J\u00fcrgen \u30b5"),
}


@pytest.mark.parametrize("section, profile", NAMES.values(), ids=NAMES)
def test_names_of_sections(aws, section, profile):
    aws.write(f"[{section}]\n{static('x')}")
    aws.same("AKIA-x", profile=profile)


@pytest.mark.parametrize("section", ["profile a b", "profile 'a", "profilea", " profile a",
                                     "profile", "profile a\\", "Profile a"])
def test_what_is_no_profile(aws, section):
    aws.write(f"[{section}]\n{static('x')}[default]\n{static('d')}")
    for profile in ("a", "a b", "'a"):
        assert aws.theirs(profile)["error"] and "there is no AWS profile" in aws.ours(
            profile)["error"]
    aws.same("AKIA-d")


WHITE = {
    "no-break spaces": "[default]\n\u00a0aws_access_key_id\u00a0=\u00a0AKIA-x\n"
                       f"\u3000aws_secret_access_key = {SECRET}\u2003\n",
    "carriage returns alone": f"[default]\raws_access_key_id = AKIA-x\raws_secret_access_key = "
                              f"{SECRET}\r",
    "form feeds": f"[default]\n\x0caws_access_key_id = AKIA-x\x0c\naws_secret_access_key = "
                  f"{SECRET}\x1f\n",
    "tabs": f"[default]\n\taws_access_key_id\t=\tAKIA-x\n\taws_secret_access_key={SECRET}\t\n",
    "what all sections have": f"[DEFAULT]\naws_access_key_id = AKIA-x\n[default]\n"
                              f"aws_secret_access_key = {SECRET}\n",
}


@pytest.mark.parametrize("text", WHITE.values(), ids=WHITE)
@pytest.mark.parametrize("which", ["config", "credentials"])
def test_odd_white_space(aws, text, which):
    (aws.home / ".aws" / which).write_bytes(text.encode())
    aws.same("AKIA-x")


@pytest.mark.parametrize("env, region", [
    ({}, "eu-north-1"),
    ({"AWS_DEFAULT_REGION": "ap-south-1"}, "ap-south-1"),
    ({"AWS_PROFILE": "p"}, "us-west-2"),
    ({"AWS_PROFILE": "p", "AWS_DEFAULT_REGION": "ap-south-1"}, "ap-south-1"),
    ({"AWS_DEFAULT_REGION": ""}, "eu-north-1"),
])
def test_region(aws, env, region):
    aws.write("[default]\nregion = eu-north-1\n" + static("d") + "[profile p]\nregion = us-west-2\n"
              + static("p"))
    env = {"AWS_DEFAULT_REGION": None} | env
    assert aws.ours(**env)["region"] == region
    if env["AWS_DEFAULT_REGION"] != "":
        assert aws.theirs(**env)["region"] == region


def test_region_of_the_other_sdks(aws):
    """botocore does not read AWS_REGION; all other SDKs do, before AWS_DEFAULT_REGION."""
    aws.write("[default]\nregion = eu-north-1\n" + static("d"))
    found = aws.ours(AWS_REGION="us-east-2", AWS_DEFAULT_REGION="ap-south-1")
    assert found["region"] == "us-east-2"


def test_sts_is_asked_where_the_region_says(aws):
    role = "role_arn = arn:aws:iam::123456789012:role/R\nsource_profile = b\n"
    aws.write(f"[profile r]\nregion = us-west-2\n{role}[profile b]\nregion = ap-south-1\n"
              + static("b"))
    assert "in eu-west-1" in aws.same("ASIA-R", profile="r")["token"]
    assert "in us-west-2" in aws.same("ASIA-R", profile="r", AWS_DEFAULT_REGION=None)["token"]
    aws.write(f"[profile r]\n{role}[profile b]\n" + static("b"))  # none at all: the first region
    assert "in us-east-1" in aws.ours(profile="r", AWS_DEFAULT_REGION=None)["token"]


def test_address_of_sts_from_the_files(aws):
    role = "role_arn = arn:aws:iam::123456789012:role/R\nsource_profile = b\n"
    base = f"[profile b]\n{static('b')}"
    none = {"profile": "r", "AWS_ENDPOINT_URL_STS": None}
    aws.write(f"[profile r]\nendpoint_url = {aws.fake.url}\n{role}{base}")
    aws.same("ASIA-R", **none)
    aws.write(f"[profile r]\nservices = local\nendpoint_url = http://127.0.0.1:1\n{role}{base}"
              f"[services local]\nsts =\n  endpoint_url = {aws.fake.url}\n")
    aws.same("ASIA-R", **none)
    aws.same("ASIA-R", profile="r", AWS_ENDPOINT_URL_STS=None, AWS_ENDPOINT_URL=aws.fake.url)
