"""The driver of azure-identity, Azure's own identity library for Python: one JSON request a line on standard input, one JSON answer a line on standard output.

`do` names a credential ("managed", "default", "secret", "workload"); `args` are the variables of its environment, the scope, and its keyword arguments.
"""

import json
import os
import sys

from azure.identity import (
    ClientSecretCredential,
    DefaultAzureCredential,
    ManagedIdentityCredential,
    WorkloadIdentityCredential,
)

KINDS = {
    "managed": ManagedIdentityCredential,
    "default": DefaultAzureCredential,
    "secret": ClientSecretCredential,
    "workload": WorkloadIdentityCredential,
}
OWN = dict(os.environ)


def token(kind, environment, scope, options):
    os.environ.clear()
    os.environ.update({**OWN, **environment})
    with KINDS[kind](**options) as credential:
        granted = credential.get_token(scope)
    return {"token": granted.token, "expiresOn": granted.expires_on * 1000}


for line in sys.stdin:
    asked = json.loads(line)
    try:
        told = {"result": token(asked["do"], *asked["args"])}
    except Exception as error:  # whatever the library raises is its answer
        told = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(told), flush=True)
