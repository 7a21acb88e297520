# SPDX-License-Identifier: MIT
"""Every link of the credential chain beside botocore's: the same key, or none from both."""

import calendar
import datetime
import hashlib
import json
import os
import pathlib
import ssl
import stat
import subprocess
import sys
import time

import pytest

import chain
from chain import SECRET, forms, static
from chain_fake import jwt

ENV = {"AWS_ACCESS_KEY_ID": "AKIA-env", "AWS_SECRET_ACCESS_KEY": f"{SECRET}/env"}
ROLE = "role_arn = arn:aws:iam::123456789012:role/"


# ---- environment, profiles, files ----

def test_environment_wins_over_everything(aws):
    aws.write("[default]\n" + static("config"), "[default]\n" + static("file"))
    assert aws.same("AKIA-env", **ENV)["source"] == "the environment"
    assert aws.same("AKIA-env", **ENV, AWS_SESSION_TOKEN=SECRET)["token"] == SECRET
    aws.same("AKIA-env", **ENV, AWS_SECURITY_TOKEN=SECRET)


def test_key_of_the_environment_with_an_end(aws):
    answer = aws.same("AKIA-env", **ENV, AWS_CREDENTIAL_EXPIRATION="2099-01-02T03:04:05Z")
    assert answer["expires"] == int(datetime.datetime(
        2099, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc).timestamp())
    aws.refused("is not a time", **ENV, AWS_CREDENTIAL_EXPIRATION="tomorrow")


def test_half_a_key_in_the_environment(aws):
    aws.refused("AWS_SECRET_ACCESS_KEY is not", AWS_ACCESS_KEY_ID="AKIA-env")


def test_named_profiles(aws):
    aws.write("[profile work]\n" + static("work"), "[default]\n" + static("file"))
    aws.same("AKIA-file")
    aws.same("AKIA-work", AWS_PROFILE="work")
    aws.same("AKIA-work", AWS_DEFAULT_PROFILE="work")
    aws.same("AKIA-work", AWS_DEFAULT_PROFILE="work", AWS_PROFILE="default")
    aws.same("AKIA-env", AWS_PROFILE="work", **ENV)  # a variable does not hide the keys ...
    aws.same("AKIA-work", profile="work", **ENV)     # ... an explicit profile does


def test_credentials_file_over_config_file(aws):
    aws.write("[default]\n" + static("config") + "[profile p]\n" + static("p"),
              "[default]\n" + static("file"))
    aws.same("AKIA-file")
    aws.same("AKIA-p", profile="p")


def test_files_elsewhere(aws, tmp_path):
    (tmp_path / "c1").write_text("[default]\n" + static("c1"))
    (aws.home / "c2").write_text("[default]\n" + static("c2"))
    aws.same("AKIA-c1", AWS_CONFIG_FILE=str(tmp_path / "c1"))
    aws.same("AKIA-c2", AWS_SHARED_CREDENTIALS_FILE="~/c2")


def test_profile_that_is_not_there(aws):
    aws.write("[profile work]\n" + static("work"), "[other]\n" + static("other"))
    said = aws.refused("there is no AWS profile 'wrk'", AWS_PROFILE="wrk")
    assert "work" in said and "other" in said and ".aws/config" in said


def test_half_a_name_is_never_used(aws):
    """A profile of 256 bytes was cut to 255, and a region of 32 to 31, which is another one."""
    name = "p" * 255
    aws.write(f"[profile {name}]\n{static('p')}[profile r]\n{static('r')}")
    aws.same("AKIA-p", profile=name)
    aws.refused("more than 255 bytes", AWS_PROFILE=name + "q")
    said = aws.ours("r", AWS_REGION="us-" + "x" * 26 + "-11")["error"]
    assert "is not an AWS region" in said


def deep(folder, size):
    """A folder below `folder` whose path has `size` bytes."""
    path = str(folder)
    while len(path) + 1 < size:
        left = size - len(path) - 1
        path += "/" + "d" * (left if left <= 200 else 100)
        os.mkdir(path)
    assert len(path) == size
    return path


def test_a_long_path_is_read_whole_or_refused(aws, tmp_path):
    """A path of more than 1,023 bytes was cut, and its keys were not found."""
    folder = deep(tmp_path, 1100)
    pathlib.Path(folder, "c").write_text("[default]\n" + static("deep"))
    aws.same("AKIA-deep", AWS_CONFIG_FILE=f"{folder}/c")
    aws.same("AKIA-deep", AWS_SHARED_CREDENTIALS_FILE=f"{folder}/c")
    longest = folder + "/." * 1497 + "/"  # the kernel's limit is 4,096 with the NUL
    assert len(longest) == 4095
    assert "cannot read" in aws.ours(AWS_CONFIG_FILE=longest)["error"]  # a folder
    said = aws.ours(AWS_CONFIG_FILE=longest + "c")["error"]
    assert "AWS_CONFIG_FILE" in said and "more than 4095 bytes" in said


def test_a_long_home_has_an_sso_cache(aws, tmp_path):
    home = pathlib.Path(deep(tmp_path, 1100))
    (home / ".aws/sso/cache").mkdir(parents=True)
    (home / ".aws/config").write_text(f"[profile s]\nsso_session = corp\n{SSO}{SESSION}")
    sso_login(aws, "corp")
    cache = sso_cache(aws, "corp")
    cache.rename(home / ".aws/sso/cache" / cache.name)
    aws.same("ASIA-Dev", profile="s", HOME=str(home))


def test_half_a_key_in_a_file(aws):
    aws.write(credentials="[default]\naws_access_key_id = AKIA-half\n")
    assert ".aws/credentials" in aws.refused("no aws_secret_access_key")


def test_nothing_anywhere(aws):
    said = aws.refused("there are no AWS credentials")
    for place in ("environment", "'default'", ".aws/credentials", ".aws/config", "aws configure"):
        assert place in said


# ---- assumed roles ----

def test_role_with_source_profile(aws):
    aws.write(f"[profile r]\n{ROLE}R\nsource_profile = base\nexternal_id = ext/1\n"
              "duration_seconds = 1800\nrole_session_name = me@home\n",
              "[base]\n" + static("base"))
    answer = aws.same("ASIA-R", profile="r")
    assert "AKIA-base in eu-west-1" in answer["token"]
    assert answer["source"] == "the assumed role arn:aws:iam::123456789012:role/R"


def test_roles_of_roles(aws):
    aws.write(f"[profile a]\n{ROLE}A\nsource_profile = b\n[profile b]\n{ROLE}B\n"
              f"source_profile = c\n[profile c]\n{static('c')}")
    assert "by ASIA-B" in aws.same("ASIA-A", profile="a")["token"]


def test_source_with_keys_of_its_own_and_a_role(aws):
    """Below the first, static keys go before a role."""
    aws.write(f"[profile a]\n{ROLE}A\nsource_profile = b\n[profile b]\n{ROLE}B\n"
              f"source_profile = c\n{static('b')}[profile c]\n{static('c')}")
    assert "by AKIA-b" in aws.same("ASIA-A", profile="a")["token"]


def test_role_of_its_own_keys(aws):
    aws.write(f"[profile self]\n{ROLE}Me\nsource_profile = self\n{static('self')}")
    assert "by AKIA-self" in aws.same("ASIA-Me", profile="self")["token"]


@pytest.mark.parametrize("config", [
    f"[profile a]\n{ROLE}A\nsource_profile = b\n[profile b]\n{ROLE}B\nsource_profile = a\n",
    f"[profile a]\n{ROLE}A\nsource_profile = b\n[profile b]\n{ROLE}B\nsource_profile = c\n"
    f"[profile c]\n{ROLE}C\nsource_profile = b\n",
], ids=["two", "three"])
def test_circles(aws, config):
    aws.write(config)
    aws.refused("in a cycle", profile="a")


def test_itself_without_keys(aws):
    aws.write(f"[profile a]\n{ROLE}A\nsource_profile = a\n"
              f"[profile b]\n{ROLE}B\nsource_profile = a\n")
    aws.refused("credential_source of profile 'a' gives no keys", profile="a")
    aws.refused("credential_source of profile 'a' gives no keys", profile="b")


def test_a_long_chain_has_a_limit(aws):
    hops = "".join(f"[profile p{i}]\n{ROLE}R{i}\nsource_profile = p{i + 1}\n" for i in range(8))
    aws.write(hops + f"[profile p8]\n{static('p8')}")
    assert "by ASIA-R2" in aws.same("ASIA-R1", profile="p1")["token"]
    assert "more than 8 profiles" in aws.ours(profile="p0")["error"]


def test_source_that_is_not_there_or_empty(aws):
    aws.write(f"[profile a]\n{ROLE}A\nsource_profile = gone\n"
              f"[profile b]\n{ROLE}B\nsource_profile = empty\n[profile empty]\nregion = us-east-1\n"
              f"[profile c]\n{ROLE}C\n[profile d]\n{ROLE}D\nsource_profile = empty\n"
              "credential_source = Environment\n[profile e]\n" + ROLE + "E\n"
              "credential_source = Moon\n")
    aws.refused("'gone', which does not exist", profile="a")
    aws.refused("gives no keys", profile="b")
    aws.refused("source_profile", profile="c")
    aws.refused("source_profile", profile="d")
    aws.refused("must be Environment, EcsContainer or Ec2InstanceMetadata", profile="e")


def test_role_from_the_environment(aws):
    aws.write(f"[profile r]\n{ROLE}R\ncredential_source = Environment\n")
    assert "by AKIA-env" in aws.same("ASIA-R", profile="r", **ENV)["token"]
    aws.refused("gives no keys", profile="r")


def test_role_from_the_machine(aws):
    aws.write(f"[profile r]\n{ROLE}R\ncredential_source = Ec2InstanceMetadata\n")
    assert "by ASIA-instance-role" in aws.same("ASIA-R", profile="r",
                                               AWS_EC2_METADATA_DISABLED=None,
                                               AWS_CONTAINER_CREDENTIALS_FULL_URI=aws.fake.url
                                               + "/creds")["token"]


def test_role_from_the_container(aws):
    aws.write(f"[profile r]\n{ROLE}R\ncredential_source = EcsContainer\n")
    url = aws.fake.url + "/creds"
    assert "by ASIA-container" in aws.same("ASIA-R", profile="r",
                                           AWS_CONTAINER_CREDENTIALS_FULL_URI=url)["token"]
    aws.fake.container_token = "t"
    aws.refused("answered with HTTP status 401", profile="r",
                AWS_CONTAINER_CREDENTIALS_FULL_URI=url)
    # no container: the machine, which has a role here, does not stand in for it
    aws.refused("gives no keys", profile="r", AWS_EC2_METADATA_DISABLED=None)


def test_second_factor_is_refused(aws):
    aws.write(f"[profile r]\n{ROLE}R\nsource_profile = b\nmfa_serial = arn:aws:iam::1:mfa/me\n"
              f"[profile b]\n{static('b')}")
    said = aws.ours(profile="r")["error"]
    assert "needs MFA" in said and "aws configure export-credentials --profile r" in said


@pytest.mark.parametrize("answer, words", [
    ((403, "<ErrorResponse><Error><Code>AccessDenied</Code><Message>User x is not authorized"
      "</Message></Error></ErrorResponse>"), "STS refused (AccessDenied): User x is not auth"),
    ((200, "<AssumeRoleResponse/>"), "lacks AccessKeyId"),
    ((200, "what"), "STS answered with HTTP status 200"),
])
def test_sts_says_no(aws, answer, words):
    aws.write(f"[profile r]\n{ROLE}R\nsource_profile = b\n[profile b]\n{static('b')}")
    aws.fake.sts_error = answer
    assert "assume the role arn:aws:iam::123456789012:role/R: " in aws.refused(words, profile="r")


def test_sts_is_not_there(aws):
    aws.write(f"[profile r]\n{ROLE}R\nsource_profile = b\n[profile b]\n{static('b')}")
    answer = aws.ours(profile="r", AWS_ENDPOINT_URL_STS="http://127.0.0.1:1")
    assert "assume the role" in answer["error"] and answer["code"] == 4104  # ERR_UNAVAILABLE
    aws.fake.sts_error = (503, "<html>busy</html>")
    assert aws.ours(profile="r")["code"] == 4104


# ---- web identity ----

def test_web_identity(aws, tmp_path):
    token = tmp_path / "token"
    token.write_text(jwt("pod"))
    by_env = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(token), "AWS_ROLE_SESSION_NAME": "pod-7",
              "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/Pod"}
    assert jwt("pod") in aws.same("ASIA-Pod", **by_env)["token"]
    aws.write(f"[profile w]\n{ROLE}W\nweb_identity_token_file = {token}\n"
              f"[profile r]\n{ROLE}R\nsource_profile = w\n")
    aws.same("ASIA-W", profile="w")
    aws.same("ASIA-W", profile="w", **by_env)           # explicit: the environment is not asked
    aws.same("ASIA-Pod", AWS_PROFILE="w", **by_env)     # else it wins
    assert "by ASIA-W" in aws.same("ASIA-R", profile="r", **by_env)["token"]


def test_web_identity_without_its_parts(aws, tmp_path):
    aws.refused("set AWS_ROLE_ARN", AWS_WEB_IDENTITY_TOKEN_FILE=str(tmp_path / "none"))
    aws.refused("web identity token: ", AWS_WEB_IDENTITY_TOKEN_FILE=str(tmp_path / "none"),
                AWS_ROLE_ARN="arn:aws:iam::123456789012:role/Pod")


# ---- SSO ----

SSO = "sso_account_id = 123456789012\nsso_role_name = Dev\n"
SESSION = "[sso-session corp]\nsso_region = eu-west-1\nsso_start_url = https://corp.test/start\n"
LEGACY = "sso_region = eu-west-1\nsso_start_url = https://corp.test/start\n"


def sso_cache(aws, name):
    return aws.home / ".aws/sso/cache" / (hashlib.sha1(name.encode()).hexdigest() + ".json")


def sso_login(aws, name, expires="2099-01-01T00:00:00Z", token=SECRET + "-sso", **more):
    sso_cache(aws, name).write_text(json.dumps(
        {"accessToken": token, "expiresAt": expires, **more}))


def test_sso_session(aws):
    aws.write(f"[profile s]\nsso_session = corp\n{SSO}{SESSION}")
    aws.refused("run `aws sso login`", profile="s")
    sso_login(aws, "corp")
    assert "123456789012" in aws.same("ASIA-Dev", profile="s")["token"]
    sso_login(aws, "corp", expires="2020-01-01T00:00:00Z")
    aws.refused("has expired: run `aws sso login`", profile="s")
    sso_login(aws, "corp", token="ended")
    aws.refused("SSO answered with HTTP status 401; if the session has ended, run `aws sso login`",
                profile="s")


RENEWABLE = {"startUrl": "https://corp.test/start", "region": "eu-west-1", "clientId": "client",
             "clientSecret": SECRET + "-client", "refreshToken": SECRET + "-refresh",
             "registrationExpiresAt": "2099-01-01T00:00:00Z"}


def in_seconds(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


@pytest.mark.parametrize("left_s", [-3600, 60, 14 * 60])
def test_sso_token_is_renewed(aws, left_s):
    """Before its end and after it; both leave the same in the cache, which the AWS CLI shares."""
    aws.write(f"[profile s]\nsso_session = corp\n{SSO}{SESSION}")
    path, found = sso_cache(aws, "corp"), []
    for who in (aws.theirs, aws.ours):
        sso_login(aws, "corp", in_seconds(left_s), **RENEWABLE)
        before = time.time()
        answer = who("s")
        assert answer.get("id") == "ASIA-Dev", answer
        assert "renewed-by-client" in answer["token"]
        cached = json.loads(path.read_text())
        ends = calendar.timegm(time.strptime(cached.pop("expiresAt"), "%Y-%m-%dT%H:%M:%SZ"))
        assert 28790 < ends - before < 28860
        assert path.stat().st_mode & 0o777 == 0o600
        found.append((cached, forms(aws.fake)))
        aws.fake.calls.clear()
    assert found[0] == found[1]
    assert found[0][0]["refreshToken"] == SECRET + "-refresh+"
    assert aws.ours("s")["id"] == "ASIA-Dev" and not forms(aws.fake)  # it is young again


@pytest.mark.parametrize("change", [
    {"refreshToken": None}, {"clientId": None}, {"clientSecret": None},
    {"registrationExpiresAt": None}, {"registrationExpiresAt": "2020-01-01T00:00:00Z"}])
def test_sso_token_that_cannot_be_renewed(aws, change):
    aws.write(f"[profile s]\nsso_session = corp\n{SSO}{SESSION}")
    more = {k: v for k, v in (RENEWABLE | change).items() if v}
    sso_login(aws, "corp", in_seconds(60), **more)
    aws.same("ASIA-Dev", profile="s")  # it is used to its end
    sso_login(aws, "corp", in_seconds(-60), **more)
    assert "renewed" not in aws.refused("has expired: run `aws sso login`", profile="s")


@pytest.mark.parametrize("error, words", [
    ((400, {"error": "invalid_grant", "error_description": SECRET}),
     "was not renewed (SSO answered with HTTP status 400: invalid_grant): run `aws sso login`"),
    ((500, {}), "was not renewed (SSO answered with HTTP status 500)"),
    ((200, "<html>"), "SSO did not answer with JSON"),
    ((200, {"expiresIn": 28800}), "SSO answered without a token")])
def test_sso_refuses_to_renew(aws, error, words):
    aws.write(f"[profile s]\nsso_session = corp\n{SSO}{SESSION}")
    aws.fake.oidc_error = error
    sso_login(aws, "corp", in_seconds(60), **RENEWABLE)
    assert aws.ours("s")["id"] == "ASIA-Dev"  # with the old one
    sso_login(aws, "corp", in_seconds(-60), **RENEWABLE)
    assert words in aws.ours("s")["error"]
    assert json.loads(sso_cache(aws, "corp").read_text())["refreshToken"] == SECRET + "-refresh"


def test_sso_legacy(aws):
    aws.write(f"[profile s]\n{SSO}{LEGACY}")
    sso_login(aws, "https://corp.test/start", expires="2099-01-01T00:00:00UTC")
    answer = aws.same("ASIA-Dev", profile="s")
    assert answer["source"] == "SSO of profile s" and answer["expires"] > 0
    sso_login(aws, "https://corp.test/start", expires="2020-01-01T00:00:00UTC")
    aws.refused("has expired", profile="s")


@pytest.mark.parametrize("config, words", [
    (f"[profile s]\n{SSO}sso_session = gone\n", "sso-session 'gone', which is not in"),
    (f"[profile s]\n{SSO}sso_region = eu-west-1\n", "needs sso_start_url"),
    (f"[profile s]\nsso_account_id = 1\n{LEGACY}", "needs sso_role_name"),
    (f"[profile s]\n{SSO}sso_session = corp\nsso_region = us-east-1\n{SESSION}",
     "sso_region of profile 's' differs from that of its sso-session 'corp'"),
])
def test_sso_settings_that_are_wrong(aws, config, words):
    aws.write(config)
    aws.refused(words, profile="s")


def test_sso_as_a_source(aws):
    aws.write(f"[profile s]\nsso_session = corp\n{SSO}{SESSION}"
              f"[profile r]\n{ROLE}R\nsource_profile = s\n")
    sso_login(aws, "corp")
    assert "by ASIA-Dev" in aws.same("ASIA-R", profile="r")["token"]


# ---- credential_process ----

def program(tmp_path, body, name="give keys"):
    path = tmp_path / name
    path.write_text(f"#!{sys.executable}\nimport json, sys\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


GIVE = ("print(json.dumps({'Version': 1, 'AccessKeyId': 'ASIA-' + '-'.join(sys.argv[1:]),"
        f" 'SecretAccessKey': '{SECRET}', 'SessionToken': '{SECRET}',"
        " 'Expiration': '2099-01-01T00:00:00Z'}))")


@pytest.mark.parametrize("arguments, expected", [
    ("one two", "one-two"),
    ("'one two' \"three\"", "one two-three"),
    ("$HOME `id` ; rm * > x | y &", "$HOME-`id`-;-rm-*->-x-|-y-&"),  # there is no shell
    (r'"a\"b" a\ b "c\d" \\ ' + "''", "a\"b-a b-c\\d-\\-"),
    ("'#not a comment' #nor this", "#not a comment-#nor-this"),
])
def test_credential_process(aws, tmp_path, arguments, expected):
    path = program(tmp_path, GIVE)
    aws.write(f"[profile p]\ncredential_process = '{path}' {arguments}\n")
    answer = aws.same("ASIA-" + expected, profile="p")
    assert answer["expires"] == 4070908800


@pytest.mark.parametrize("body, words", [
    (f"print('{SECRET}'); sys.stderr.write('no\\x01\\nentry\\n'); exit(3)", "failed: no  entry"),
    ("sys.exit(1)", "the program printed no reason"),
    (f"print('{SECRET}')", 'must print JSON with "Version": 1'),
    (f"print(json.dumps({{'Version': 2, 'AccessKeyId': '{SECRET}'}}))", '"Version": 1'),
    (f"print(json.dumps({{'Version': 1, 'SecretAccessKey': '{SECRET}'}}))", "lacks AccessKeyId"),
    ("import os; os.kill(os.getpid(), 9)", "failed"),
])
def test_credential_process_that_fails(aws, tmp_path, body, words):
    path = program(tmp_path, body, name="bad")
    aws.write(f"[profile p]\ncredential_process = {path}\n")
    aws.refused(words, profile="p")


def test_credential_process_that_is_no_program(aws):
    aws.write("[profile a]\ncredential_process = no-such-program-here x\n"
              "[profile b]\ncredential_process = /no/such\n"
              "[profile c]\ncredential_process = 'open\n"
              f"[profile d]\ncredential_process = {'x ' * 65}\n")
    aws.refused("is not on PATH", profile="a")
    aws.refused("/no/such", profile="b")
    aws.refused("quote that is not closed", profile="c")
    assert "more than 64 words" in aws.ours(profile="d")["error"]


def test_static_keys_go_before_a_process_only_in_the_credentials_file(aws, tmp_path):
    process = f"credential_process = '{program(tmp_path, GIVE)}' p\n"
    aws.write(f"[default]\n{process}{static('config')}")
    aws.same("ASIA-p")
    aws.write(f"[default]\n{process}", f"[default]\n{static('file')}")
    aws.same("AKIA-file")


def test_session_of_aws_login(aws):
    aws.write("[default]\nlogin_session = arn:aws:iam::1:user/me\n")
    assert "export-credentials" in aws.ours()["error"]


# ---- container and instance: the rest is in test_metadata.py ----

def test_order_of_the_last_links(aws):
    url = aws.fake.url + "/creds"
    here = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": url, "AWS_EC2_METADATA_DISABLED": None}
    aws.same("ASIA-container", **here)
    aws.write("[default]\n" + static("config"))
    aws.same("AKIA-config", **here)


# ---- a CA bundle ----

@pytest.fixture
def tls(tmp_path):
    """STS behind TLS with a certificate that only its own file vouches for."""
    pem = tmp_path / "ca.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-keyout", tmp_path / "key.pem", "-out",
                    pem, "-days", "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
    with chain.serving() as fake:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem, tmp_path / "key.pem")
        fake.socket = context.wrap_socket(fake.socket, server_side=True)
        yield f"https://localhost:{fake.server_address[1]}", str(pem)


def test_ca_bundle(aws, tls):
    url, pem = tls
    role = f"[profile r]\n{ROLE}R\nsource_profile = b\n[profile b]\n{static('b')}"
    aws.write(role)
    assert "assume the role" in aws.ours(profile="r", AWS_ENDPOINT_URL_STS=url)["error"]
    aws.same("ASIA-R", profile="r", AWS_ENDPOINT_URL_STS=url, AWS_CA_BUNDLE=pem)
    aws.write(role.replace("source_profile = b\n", f"source_profile = b\nca_bundle = {pem}\n"))
    aws.same("ASIA-R", profile="r", AWS_ENDPOINT_URL_STS=url)


def test_ca_bundle_that_is_not_there(aws, tls):
    aws.write(f"[profile r]\n{ROLE}R\nsource_profile = b\n[profile b]\n{static('b')}")
    said = aws.ours(profile="r", AWS_ENDPOINT_URL_STS=tls[0], AWS_CA_BUNDLE="/no/such.pem")
    assert "error" in said
