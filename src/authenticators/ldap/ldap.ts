/**
 * Logs people in with the passwords of a directory: LDAP over TLS.
 *
 * The directory is asked for the one entry that the login names, and then to bind as that entry with the password shown. Where it is, and who may search it,
 * is in annotations of the webservice. Source: RFC 4513, 4515; Conjur 5.3.1, app/domain/authentication/authn_ldap.
 */

import { type CheckList, createCheckList } from "../../model/failures";
import type { Authenticator, AuthenticatorSettings, Directory, DirectoryAnswer, DirectoryQuestion } from "../../model/ports";
import { readRoots } from "../issuer";
import type { Outgoing } from "../outgoing";

export interface LdapAuthenticatorDeps {
  readonly directory: Directory;
  readonly outgoing: Outgoing;
}

const limits = { timeoutMs: 5000, connectTimeoutMs: 2000 };
const proofMs = 60_000;
const longestLogin = 256;
const usualFilter = "(&(objectClass=posixAccount)(uid=%s))";
const annotations = ["uri", "host", "port", "base_dn", "bind_dn", "connect_type", "filter_template"].map((name) => `ldap-authn/${name}`);

/** The authenticator `authn-ldap`. */
export function createLdapAuthenticator({ directory, outgoing }: LdapAuthenticatorDeps): Authenticator {
  return {
    type: "authn-ldap",
    service: "optional",
    settings: [
      { name: "bind-password", required: false, isSecret: true },
      { name: "tls-ca-cert", required: false },
      { name: "tls-cert", required: false },
    ],
    annotations,
    takesPasswords: true,
    restrictions: { required: [], permitted: [], exclusive: [], ignoreCase: false, form: "none", refusesAdministrator: true },
    lacksStatus: true,

    async verify(credential, settings, now) {
      const checks: CheckList = createCheckList();
      const place = readPlace(settings, checks);
      if (credential.kind !== "secret") checks.fail("credential_kind", "no password");
      const { login = "", value } = credential;
      checks.expect(login !== "" && login.length <= longestLogin, "directory_login", login.slice(0, longestLogin));
      // Before anybody is asked: with an empty password a directory binds as nobody, and says that this went well.
      checks.expect(value.byteLength > 0, "password_presented", "not empty");
      const question = { ...place.question, filter: place.template.replaceAll("%s", () => escaped(login)), password: value };
      const answer = await outgoing.attempt(place.question.url, "directory", checks, () => directory.ask(question, limits));
      if (answer.outcome !== "proven") checks.fail("directory_password", refusals[answer.outcome]);
      checks.pass("directory_password", answer.name);
      return {
        subject: answer.name,
        attributes: {},
        expiresAt: now + proofMs,
        evidence: { dn: answer.name },
        checks: checks.made,
        warnings: [],
      };
    },

    status: async () => undefined,
  };
}

const refusals: Readonly<Record<Exclude<DirectoryAnswer["outcome"], "proven">, string>> = {
  refused: "not the password of the entry",
  none: "the directory knows nobody of this name",
  several: "the directory knows several of this name",
  searcher_refused: "the directory refuses the one who searches: ldap-authn/bind_dn with bind-password",
};

interface Place {
  readonly question: Omit<DirectoryQuestion, "filter" | "password">;
  readonly template: string;
}

/** Fails the checks `directory_uri`, `directory_base`, `directory_filter`, `directory_searcher` and `ca_cert`. */
function readPlace(settings: AuthenticatorSettings, checks: CheckList): Place {
  const of = (name: string): string | undefined => settings[`ldap-authn/${name}`];
  const url = addressOf(of("uri"), of("host"), of("port"), of("connect_type"));
  const isSecure = url !== undefined && URL.parse(url)?.protocol === "ldaps:";
  checks.expect(isSecure, "directory_uri", `${url ?? "none"}; expected ldaps://…, for passwords are said to nobody in the clear`);
  const base = of("base_dn");
  if (base === undefined) checks.fail("directory_base", "the annotation ldap-authn/base_dn is missing");
  const template = of("filter_template") ?? usualFilter;
  checks.expect(template.includes("%s") && template.startsWith("("), "directory_filter", `${template}; %s stands for the login`);
  const [dn, password] = [of("bind_dn"), settings["bind-password"]];
  checks.expect(
    (dn === undefined) === (password === undefined),
    "directory_searcher",
    "ldap-authn/bind_dn and bind-password, both or neither",
  );
  const roots = readRoots(settings["tls-ca-cert"] ?? settings["tls-cert"], checks);
  return {
    question: {
      url,
      base,
      ...(dn === undefined || password === undefined ? {} : { searcher: { dn, password } }),
      ...(roots === undefined ? {} : { roots }),
    },
    template,
  };
}

function addressOf(uri?: string, host?: string, port?: string, connectType?: string): string | undefined {
  if (uri !== undefined) return uri;
  if (host === undefined) return undefined;
  return `${connectType === "ssl" ? "ldaps" : "ldap"}://${host}${port === undefined ? "" : `:${port}`}`;
}

/** What a stranger wrote as a value in a filter, and nothing but a value (RFC 4515, 3). */
function escaped(text: string): string {
  return text.replace(/[\\*()\0]/gu, (character) => `\\${character.charCodeAt(0).toString(16).padStart(2, "0")}`);
}
