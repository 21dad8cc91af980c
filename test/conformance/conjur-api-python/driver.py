"""The driver of Conjur's Python API client: one JSON request a line on standard input, one JSON answer a line on standard output."""

import asyncio
import inspect
import json
import os
import re
import sys
import tempfile

from conjur_api import Client
from conjur_api.models import (
    ConjurConnectionInfo,
    CreateHostData,
    CreateTokenData,
    CredentialsData,
    ListMembersOfData,
    ListPermittedRolesData,
    Resource,
    SslVerificationMode,
)
from conjur_api.providers import (
    AuthnAuthenticationStrategy,
    AWSIAMAuthenticationStrategy,
    AzureAuthenticationStrategy,
    JWTAuthenticationStrategy,
    LdapAuthenticationStrategy,
    SimpleCredentialsProvider,
)

URL, ACCOUNT, CA_FILE = (os.environ[name] for name in ("SERVER_URL", "SERVER_ACCOUNT", "SERVER_CA_FILE"))


def connect(strategy, service=None):
    connection = ConjurConnectionInfo(conjur_url=URL, account=ACCOUNT, cert_file=CA_FILE, service_id=service)
    return Client(connection, authn_strategy=strategy, ssl_verification_mode=SslVerificationMode.CA_BUNDLE)


def provided(username, password=None, api_key=None):
    provider = SimpleCredentialsProvider()
    provider.save(CredentialsData(machine=URL, username=username, password=password, api_key=api_key))
    return provider


def with_credentials(username, password=None, api_key=None):
    return connect(AuthnAuthenticationStrategy(provided(username, password, api_key)))


CONNECTIONS = {
    "with password": lambda username, password: with_credentials(username, password=password),
    "with key": lambda username, key: with_credentials(username, api_key=key),
    "with ldap": lambda service, username, password: connect(LdapAuthenticationStrategy(provided(username, password)), service),
    "with jwt": lambda service, jwt: connect(JWTAuthenticationStrategy(jwt), service),
    "with iam": lambda host, service, region: connect(AWSIAMAuthenticationStrategy(host, service, region), service),
    "with azure": lambda service, host: connect(AzureAuthenticationStrategy(host), service),
}


def policy(method):
    """Policies are files to this client."""

    async def load(client, branch, text, dry_run=False):
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
            file.write(text)
            file.flush()
            return await getattr(client, method)(branch, file.name, dry_run)

    return load


OPERATIONS = {
    "login": lambda client: client.login(),
    "authenticate": lambda client: client.authenticate(),
    "whoami": lambda client: client.whoami(),
    "set": lambda client, variable, value: client.set(variable, value),
    "get": lambda client, variable, version=None: client.get(variable, version),
    "get many": lambda client, *variables: client.get_many(*variables),
    "load": policy("load_policy_file"),
    "update": policy("update_policy_file"),
    "replace": policy("replace_policy_file"),
    "list": lambda client, constraints=None: client.list(constraints),
    "resource": lambda client, kind, name: client.get_resource(kind, name),
    "resource exists": lambda client, kind, name: client.resource_exists(kind, name),
    "role": lambda client, kind, name: client.get_role(kind, name),
    "role exists": lambda client, kind, name: client.role_exists(kind, name),
    "memberships": lambda client, kind, name, direct: client.role_memberships(kind, name, direct),
    "check": lambda client, kind, name, privilege, role=None: client.check_privilege(kind, name, privilege, role),
    "permitted roles": lambda client, kind, name, privilege: client.list_permitted_roles(
        ListPermittedRolesData(kind=kind, identifier=name, privilege=privilege)
    ),
    "members": lambda client, kind, name: client.list_members_of_role(members_of(kind, name)),
    "find": lambda client, name: client.find_resource_by_identifier(name),
    "create token": lambda client, factory, cidr, minutes: client.create_token(
        CreateTokenData(host_factory=factory, cidr=cidr, minutes=minutes)
    ),
    "create host": lambda client, name, token, annotations: client.create_host(
        CreateHostData(host_id=name, token=token, annotations=annotations)
    ),
    "revoke token": lambda client, token: client.revoke_token(token),
    "rotate other": lambda client, kind, name: client.rotate_other_api_key(Resource(kind, name)),
    "rotate own": lambda client, username, password: client.rotate_personal_api_key(username, password),
    "change password": lambda client, username, old, new: client.change_personal_password(username, old, new),
    "switch": lambda client, authenticator, enabled: client.set_authenticator_state(authenticator, enabled),
    "version": lambda client: client.server_version(),
    "enterprise": lambda client: client.get_server_info(),
    "oidc providers": lambda client: client.list_oidc_providers(),
}


def members_of(kind, name):
    data = ListMembersOfData(identifier=name)
    data.set_resource(Resource(kind, name))
    return data


def plain(value):
    """A result as JSON can hold it."""
    if isinstance(value, Resource):
        return value.full_id()
    return value.decode("utf-8") if isinstance(value, bytes) else value


async def main():
    client = None
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            if asked["do"] in CONNECTIONS:
                client = CONNECTIONS[asked["do"]](*asked["args"])
                answer = {"result": "connected"}
            else:
                called = OPERATIONS[asked["do"]](client, *asked["args"])
                answer = {"result": plain(await called if inspect.isawaitable(called) else called)}
        except Exception as error:  # whatever the client raises is its answer
            answer = {"error": f"{type(error).__name__}: {error}"}
            status = getattr(error, "status", None) or (re.findall(r"\b([45]\d\d) \(", str(error)) or [None])[0]
            if status is not None:
                answer["status"] = int(status)
        print(json.dumps(answer), flush=True)


asyncio.run(main())
