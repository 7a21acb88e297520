# SPDX-License-Identifier: MIT
"""Pages of List* operations: sorted, filtered, with a token for the next page."""
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode

from errors import invalid

PAGE_DEFAULT = 10


def window(at, after, before):
    return (after is None or at > after) and (before is None or at < before)


def encode(value):
    return urlsafe_b64encode(json.dumps(value).encode()).decode()


def decode(token):
    try:
        return json.loads(urlsafe_b64decode(token))
    except ValueError:
        raise invalid("Invalid pagination token.") from None


def page(context, kind, r, member, early, late, summary, sorts, default_sort="CreationTime",
         default_order="Descending"):
    """`early` filters before the page is cut, `late` what is in it."""
    state = context.state
    with state.lock:
        for key in list(state.all(kind)):
            if kind in ("training", "endpoint"):
                context.app.machines.advance(kind, key, look=True)
        field = sorts[r.get("SortBy", default_sort)]
        found = sorted((x for x in state.all(kind).values()
                        if x["region"] == context.region and early(x) and not hidden(context, x)),
                       key=lambda x: [x[field], x["name"]],
                       reverse=r.get("SortOrder", default_order) == "Descending")
        start = 0
        if r.get("NextToken"):
            after = decode(r["NextToken"])
            down = r.get("SortOrder", default_order) == "Descending"
            while start < len(found) and not beyond([found[start][field], found[start]["name"]],
                                                    after, down):
                start += 1
        size = r.get("MaxResults", PAGE_DEFAULT)
        cut = found[start:start + size]
        out = {member: [summary(x) for x in cut if late(x)]}
        if cut and start + size < len(found):
            out["NextToken"] = encode([cut[-1][field], cut[-1]["name"]])
        return out


def beyond(position, after, down):
    return position < after if down else position > after


def hidden(context, x):
    """An eventually consistent list does not have the newest things yet."""
    return context.ruled("stale_list") and x["created"] > context.state.now() - \
        context.rule.get("seconds", 60)
