"""The driver of hvac, Vault's Python client: one JSON request a line on standard input, one JSON answer a line on standard output.

`do` is a method of the client by its path ("secrets.kv.v2.read_secret_version"), `args` the object of its keyword arguments, or its positional arguments.
"""

import json
import os
import sys

import hvac

URL, CA_FILE = (os.environ[name] for name in ("SERVER_URL", "SERVER_CA_FILE"))
SETTINGS = {"strict_http": os.environ.get("STRICT_HTTP") == "yes"}
CLIENT = hvac.Client(url=URL, verify=CA_FILE, token=os.environ.get("SERVER_TOKEN"), **SETTINGS)


def call(path, args):
    if path == "with token":
        CLIENT.token = args[0]
        return "set"
    if path == "without token":
        CLIENT.token = None
        return "set"
    found = CLIENT
    for name in path.split("."):
        found = getattr(found, name)
    if not callable(found):
        return found
    answer = found(**args[0]) if len(args) == 1 and isinstance(args[0], dict) else found(*args)
    if hasattr(answer, "status_code"):
        return {"status": answer.status_code, "content_type": answer.headers.get("content-type", ""), "body": answer.text}
    return answer


for line in sys.stdin:
    asked = json.loads(line)
    try:
        told = {"result": call(asked["do"], asked["args"])}
    except Exception as error:  # whatever the client raises is its answer
        told = {"error": f"{type(error).__name__}: {error}"}
        if getattr(error, "json", None) is not None:
            told["result"] = error.json
    print(json.dumps(told), flush=True)
