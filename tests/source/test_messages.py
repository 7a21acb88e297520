# SPDX-License-Identifier: MIT
"""The form of the messages that users read: one sentence with a subject, in lower case, because a
field or a file may stand before it; without a full stop."""
import re

from tree import c_files, judge, text

LITERAL = r'("(?:\\.|[^"\\\n])*"(?:\s|PRI\w+|"(?:\\.|[^"\\\n])*")*)'
CALL = re.compile(r"\b(err_set|err_at|err_errno|spec_problem|spec_warning|problem_add|prepare_warn|"
                  r"request_refuse|request_warn|reply_problem|reason_set|report_warning)\s*"
                  r"\((?:[^;\"]|\"[a-z_/]*\",\s)*?" + LITERAL)
PIECE = re.compile(r'"((?:\\.|[^"\\\n])*)"')
NO_SUBJECT = re.compile(r"(it|its|that|this is|what|there)\b")
THERE = re.compile(r"there (is|are) (no|neither)\b")
NAMES = re.compile(r"[A-Z][A-Za-z0-9]*[A-Z0-9]|[A-Z]+[_-]|Hugging Face|Received|Endpoint|Your|"
                   r"Content-")


def messages():
    """(path, line, function, text) of each literal message."""
    for path in c_files():
        if path.parts[0] in ("tests", "bench", "examples"):
            continue
        for match in CALL.finditer(text(path)):
            said = "".join(PIECE.findall(match[2]))
            if " " in said:
                yield path, text(path).count("\n", 0, match.start()) + 1, match[1], said


def test_a_message_begins_in_lower_case_and_ends_without_a_stop():
    judge("message-case", [(path, f"line {line}: '{said[:60]}'")
                           for path, line, _, said in messages()
                           if (said[0].isupper() and not NAMES.match(said))
                           or re.search(r"[a-z)]\.$", said)])


def test_a_message_has_a_subject():
    judge("message-subject", [(path, f"line {line}: '{said[:60]}' does not name its subject")
                              for path, line, _, said in messages()
                              if NO_SUBJECT.match(said) and not THERE.match(said)])


def test_the_text_of_err_errno_is_an_action():
    """It becomes "cannot TEXT: REASON"."""
    judge("message-action", [(path, f"line {line}: 'cannot {said[:60]}'")
                             for path, line, name, said in messages() if name == "err_errno"
                             and re.match(r"(cannot|the|a|an|no|it)\b|[A-Z]|%s:", said)])
