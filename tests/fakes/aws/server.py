# SPDX-License-Identifier: MIT
"""The steps of a request: its signer, its service and operation, ordered faults, the call, and its
record."""
import json
import os
import threading
import time
import traceback

import admin
import cloudwatch
import iam
import logs
import machines
import rules
import runtime
import s3
import sagemaker
import signature
import sts
from errors import Fault, internal
from httpd import Drop, Response
from policy import may
from protocol import Context
from state import State

CALLS_KEPT = 100_000


class App:
    def __init__(self, options):
        self.options = options
        self.state = State(options.state, options.seed)
        self.spool = os.path.join(self.state.dir, "objects")
        self.rules = rules.Rules(self.state)
        self.calls = []
        self.calls_file = open(os.path.join(self.state.dir, "calls.ndjson"), "a", buffering=1,
                               encoding="utf-8")
        self.s3 = s3.S3(self)
        self.logs = logs.Logs(self)
        self.machines = machines.Machines(self, options.tick, options.auto)
        self.work = None
        self.hosting = None
        if options.worker:
            import hosting
            import work
            self.work = work.Work(self, options.worker)
            self.hosting = hosting.Hosting(self, options.worker)
        self.services = {"sagemaker": sagemaker.SERVICE, "logs": logs.SERVICE, "iam": iam.SERVICE,
                         "sts": sts.SERVICE, "monitoring": cloudwatch.SERVICE,
                         "s3": self.s3, "runtime": runtime.Runtime(self)}
        self.preload()

    def preload(self):
        signature.preload(self.state)
        iam.preload(self.state)

    def start_clock(self):
        """Move what is alive also when nobody looks."""
        def run():
            while True:
                time.sleep(max(self.options.tick / 2, 0.02))
                try:
                    self.machines.advance_all()
                except Exception:
                    traceback.print_exc()
        if self.options.tick > 0:
            threading.Thread(target=run, daemon=True).start()

    def service_of(self, request):
        """(name, service) by the credential scope, or by the shape of an unsigned request."""
        parts = signature.scope(request)
        name = parts[3] if parts else None
        if not parts:
            if request.header("x-amz-target"):
                name = "logs" if "Logs_" in request.header("x-amz-target") else "sagemaker"
            elif request.header("content-type", "").startswith("application/x-www-form"):
                name = "sts"
            else:
                name = "s3"
        if name == "sagemaker" and request.path.startswith("/endpoints/"):
            name = "runtime"
        return name, self.services.get(name)

    def handle(self, request, connection):
        request.id = self.state.token()
        if request.path.startswith("/_fake/"):
            return self.administer(request)
        name, service = self.service_of(request)
        if not service:
            return Response(404, "no such service here\n", content_type="text/plain")
        context = Context(self, signature.Caller("", name, ""), "us-east-1", "", "", request)
        try:
            response = self.serve(context, name, service, connection)
        except Fault as f:
            response = service.fault(f, context)
        except Exception:
            traceback.print_exc()
            response = service.fault(internal(), context)
        self.record(context, name, response)
        if isinstance(response, Response):
            self.sign_off(name, request, response)
        return response

    def administer(self, request):
        try:
            return admin.handle(self, request)
        except Exception:
            traceback.print_exc()
            return Response(500, json.dumps({"error": traceback.format_exc()}) + "\n",
                            content_type="application/json")

    def serve(self, context, name, service, connection):
        request = context.request
        operation, about, value = service.parse(request)
        context.operation, context.name = operation, about
        if not (operation == "AssumeRoleWithWebIdentity" and not signature.scope(request)):
            context.caller = signature.verify(request, self.state)
            context.region = context.caller.region
        rule = context.rule = self.rules.find(operation, about)
        if rule:
            answer = rules.strike_before(rule, context, connection)
            if answer is not None:
                return answer
        if not may(self.state, context, "sagemaker" if name == "runtime" else name):
            raise rules.denied("sagemaker" if name == "runtime" else name, context)
        response = service.call(context, value)
        return rules.strike_after(rule, context, connection, response) if rule else response

    def record(self, context, service, response):
        """No header and no body: nothing here can hold a secret."""
        status = 0 if isinstance(response, Drop) else response.status
        call = {"at": round(time.time(), 3), "service": service, "operation": context.operation,
                "name": context.name, "region": context.region, "key": context.caller.key,
                "status": status}
        if context.rule:
            call["rule"] = context.rule["do"]
        self.calls.append(call)
        if len(self.calls) > 2 * CALLS_KEPT:
            del self.calls[:CALLS_KEPT]
        self.calls_file.write(json.dumps(call) + "\n")

    @staticmethod
    def sign_off(name, request, response):
        if name == "s3":
            response.headers += [("x-amz-request-id", request.id[:16].upper()),
                                 ("x-amz-id-2", request.id), ("Server", "AmazonS3")]
        else:
            response.headers.append(("x-amzn-RequestId", request.id))
