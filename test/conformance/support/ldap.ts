/** A deployment whose people log in with the passwords of a directory. */

import { startFakeDirectory } from "../../support/fake-directory";
import { type Deployment, startDeployment } from "./deployment";
import { administratorOf } from "./http";

export const ldapService = "corp";
export const dave = { login: "dave", password: "dave's password" };

/** Ends both. Resolves to the server's exit code. */
export async function startLdapDeployment(): Promise<{ readonly deployment: Deployment; stop(): Promise<number> }> {
  const searcher = { dn: "cn=postern,dc=example", password: "a word for searching", attributes: {} };
  const people = [dave, { login: "erin", password: "erin's password" }].map(({ login, password }) => ({
    dn: `uid=${login},dc=example`,
    password,
    attributes: { uid: [login], objectClass: ["posixAccount"] },
  }));
  const directory = await startFakeDirectory([...people, searcher], ["localhost"]);
  const url = `ldaps://localhost:${directory.port}`;
  const deployment = await startDeployment({
    tls: "authority",
    issuer: { url, rootPem: directory.rootPem },
    env: { CONJUR_AUTHENTICATORS: `authn,authn-ldap/${ldapService}` },
  });
  const http = await administratorOf(deployment);
  await http.load(
    "root",
    `- !user ${dave.login}
- !user erin
- !policy
  id: conjur/authn-ldap/${ldapService}
  body:
    - !webservice
      annotations:
        ldap-authn/uri: ${url}
        ldap-authn/base_dn: dc=example
        ldap-authn/bind_dn: ${searcher.dn}
    - !variable bind-password
    - !group users
    - !permit
      role: !group users
      privileges: [ read, authenticate ]
      resource: !webservice
- !grant
  role: !group conjur/authn-ldap/${ldapService}/users
  member: !user ${dave.login}
`,
  );
  await http.set(`conjur/authn-ldap/${ldapService}/bind-password`, searcher.password);
  return {
    deployment,
    async stop() {
      await directory.stop();
      return deployment.stop();
    },
  };
}
