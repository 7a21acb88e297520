# SPDX-License-Identifier: MIT
"""One local server that is STS, the SSO portal, a container's and an instance's metadata service.

Keys tell where they come from: role R assumed with key K has the id ASIA-R and "R by K" as token.
"""

import base64
import contextlib
import http.server
import json
import re
import threading
import time
import urllib.parse

SECRET = "verySecretValue"  # a part of every secret and token here; must be in no message


def keys(name, by="", expires=3600.0):
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + expires))
    return {"AccessKeyId": f"ASIA-{name}", "SecretAccessKey": f"{SECRET}/{name}",
            "Token": f"{SECRET} {name} by {by}", "Expiration": at}


class Fake(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.calls = []          # (method, path, headers, body)
        self.answers = {}        # path → (status, body) or a function of the handler
        self.expires = 3600.0    # life of the keys given out
        self.token_status = 200  # of the instance's token
        self.imds_token = "imds-token=="
        self.container_token = None
        self.role = "instance-role"
        self.sts_error = None    # (status, body)
        self.oidc_error = None   # the same of CreateToken

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def env(self):
        return {"AWS_ENDPOINT_URL_STS": self.url, "AWS_ENDPOINT_URL_SSO": self.url,
                "AWS_ENDPOINT_URL_SSO_OIDC": self.url,
                "AWS_EC2_METADATA_SERVICE_ENDPOINT": self.url + "/", "AWS_DEFAULT_REGION":
                "eu-west-1"}

    def forms(self):
        return [json.loads(body) if p == "/token" else dict(urllib.parse.parse_qsl(body))
                for m, p, h, body in self.calls if m == "POST"]


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def reply(self, status, body, kind="application/json"):
        data = body if isinstance(body, bytes) else (
            body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        path = urllib.parse.urlsplit(self.path).path
        fake = self.server
        fake.calls.append((self.command, self.path, dict(self.headers), body))
        given = fake.answers.get(path)
        if given is not None:
            return self.reply(*(given(self) if callable(given) else given))
        if path == "/token":
            return self.oidc(json.loads(body))
        if self.command == "POST":
            return self.sts(dict(urllib.parse.parse_qsl(body)))
        if path == "/federation/credentials":
            return self.sso()
        if path == "/creds":
            return self.container()
        return self.instance(path)

    do_GET = do_POST = do_PUT = handle_any

    def sts(self, form):
        if self.server.sts_error:
            return self.reply(*self.server.sts_error, "text/xml")
        auth = self.headers.get("Authorization", "")
        caller = re.search(r"Credential=([^/]+)/\d{8}/([^/]+)/sts/", auth)
        if form["Action"] == "AssumeRole" and not caller:
            return self.reply(403, "<ErrorResponse><Error><Code>MissingAuthenticationToken</Code>"
                              "<Message>no</Message></Error></ErrorResponse>", "text/xml")
        by = form.get("WebIdentityToken") or f"{caller[1]} in {caller[2]}"
        k = keys(form["RoleArn"].rsplit("/")[-1], by, self.server.expires)
        action = form["Action"]
        self.reply(200, f"""<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<{action}Result><Credentials><AccessKeyId>{k['AccessKeyId']}</AccessKeyId><SecretAccessKey>\
{k['SecretAccessKey']}</SecretAccessKey><SessionToken>{k['Token']}</SessionToken><Expiration>\
{k['Expiration']}</Expiration></Credentials></{action}Result></{action}Response>""", "text/xml")

    def sso(self):
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
        bearer = self.headers.get("x-amz-sso_bearer_token", "")
        if not bearer.startswith(SECRET):
            return self.reply(401, {"message": "Session token not found or invalid"})
        k = keys(query["role_name"], f"{query['account_id']} {bearer}", self.server.expires)
        self.reply(200, {"roleCredentials": {
            "accessKeyId": k["AccessKeyId"], "secretAccessKey": k["SecretAccessKey"],
            "sessionToken": k["Token"],
            "expiration": int(time.time() + self.server.expires) * 1000}})

    def oidc(self, form):
        """CreateToken: each refresh token is good for one new token and one new refresh token."""
        if self.server.oidc_error:
            return self.reply(*self.server.oidc_error)
        if form["grantType"] != "refresh_token" or not form["refreshToken"].startswith(SECRET):
            return self.reply(400, {"error": "invalid_grant", "error_description": SECRET})
        self.reply(200, {"accessToken": f"{SECRET}-renewed-by-{form['clientId']}",
                         "tokenType": "Bearer", "expiresIn": 28800,
                         "refreshToken": form["refreshToken"] + "+"})

    def container(self):
        if self.headers.get("Authorization") != self.server.container_token:
            return self.reply(401, {"code": "Unauthorized", "message": SECRET})
        self.reply(200, keys("container", expires=self.server.expires))

    def instance(self, path):
        fake = self.server
        if path == "/latest/api/token":
            ok = self.command == "PUT" and \
                self.headers.get("x-aws-ec2-metadata-token-ttl-seconds") == "21600"
            return self.reply(fake.token_status if ok else 400, fake.imds_token, "text/plain")
        token = self.headers.get("x-aws-ec2-metadata-token")
        if fake.token_status == 200 and token != fake.imds_token:
            return self.reply(401, "")
        base = "/latest/meta-data/iam/security-credentials/"
        if path == base:
            return self.reply(200 if fake.role else 404, fake.role or "", "text/plain")
        if fake.role and path == base + fake.role:
            by = "v2" if token else "v1"
            return self.reply(200, {"Code": "Success"} | keys(fake.role, by, fake.expires))
        return self.reply(404, "")


@contextlib.contextmanager
def serving(make=Fake):
    fake = make()
    thread = threading.Thread(target=fake.serve_forever, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        fake.shutdown()
        fake.server_close()
        thread.join()


def jwt(subject):
    """Something that looks like a web identity token."""
    return f"{SECRET}." + base64.urlsafe_b64encode(subject.encode()).decode()
