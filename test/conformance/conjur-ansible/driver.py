"""The driver of Ansible's lookup of Conjur variables: one JSON request a line on standard input, one JSON answer a line on standard output.

The lookup is called as Ansible's templates call it; it takes everything it needs from the environment, or from the options given with a call.
"""

import json
import re
import sys

from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader, lookup_loader
from ansible.template import Templar


def main():
    init_plugin_loader()
    loader = DataLoader()
    templar = Templar(loader=loader)
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            if asked["do"] == "from environment":
                answer = {"result": "connected"}
            elif asked["do"] == "get":
                variable, *options = asked["args"]
                lookup = lookup_loader.get("cyberark.conjur.conjur_variable", loader=loader, templar=templar)
                answer = {"result": lookup.run([variable], variables={}, **(options[0] if options else {}))[0]}
            else:
                answer = {"error": f"no such operation: {asked['do']}"}
        except Exception as error:  # whatever the lookup raises is its answer
            answer = {"error": f"{type(error).__name__}: {error}"}
            status = re.search(r"\bHTTP(?: Error)? ([45]\d\d)\b|\b([45]\d\d):", answer["error"])
            if status is not None:
                answer["status"] = int(status[1] or status[2])
        print(json.dumps(answer), flush=True)


main()
