# SPDX-License-Identifier: MIT
"""An error that a service answers with; each protocol writes it in its own form."""

ACCOUNT = "123456789012"


class Fault(Exception):
    def __init__(self, code, message, status=400, **extra):
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.extra = extra


def invalid(message):
    """SageMaker's word for nearly everything that is wrong with a request."""
    return Fault("ValidationException", message)


def internal(message="We encountered an internal error. Please try again."):
    return Fault("InternalFailure", message, 500)
