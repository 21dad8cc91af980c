/** What users write into their policies for each external authenticator, and the values of its variables. */

import { ciKeys, staff } from "./login-house";

export const loginPolicy = `
- !policy
  id: conjur/authn-jwt/ci
  body:
    - !webservice
    - !webservice status
    - !variable jwks-uri
    - !variable issuer
    - !variable audience
    - !group apps
    - !permit { role: !group apps, privileges: [ read, authenticate ], resource: !webservice }
- !policy
  id: conjur/authn-jwt/named
  body:
    - !webservice
    - !variable jwks-uri
    - !variable issuer
    - !variable token-app-property
    - !variable identity-path
    - !variable enforced-claims
    - !group apps
    - !permit { role: !group apps, privileges: [ read, authenticate ], resource: !webservice }
- !policy
  id: conjur/authn-jwt/unset
  body:
    - !webservice
    - !variable jwks-uri
    - !permit { role: !host /jwt/shop, privileges: [ authenticate ], resource: !webservice }
- !policy
  id: conjur/authn-jwt/off
  body:
    - !webservice
- !policy
  id: conjur/authn-gcp
  body:
    - !webservice
    - !webservice status
    - !group apps
    - !permit { role: !group apps, privileges: [ read, authenticate ], resource: !webservice }
- !policy
  id: conjur/authn-oidc/token
  body:
    - !webservice
    - !variable provider-uri
    - !variable id-token-user-property
    - !variable audience
    - !group users
    - !permit { role: !group users, privileges: [ read, authenticate ], resource: !webservice }
- !policy
  id: conjur/authn-oidc/web
  body:
    - !webservice
    - !webservice status
    - !variable provider-uri
    - !variable client-id
    - !variable client-secret
    - !variable claim-mapping
    - !variable redirect-uri
    - !variable token-ttl
    - !group users
    - !permit { role: !group users, privileges: [ read, authenticate ], resource: !webservice }
- !policy
  id: conjur/authn-iam/prod
  body:
    - !webservice
    - !webservice status
    - !group apps
    - !permit { role: !group apps, privileges: [ read, authenticate ], resource: !webservice }
- !policy
  id: conjur/authn-ldap/corp
  body:
    - !webservice
      annotations:
        ldap-authn/uri: ldaps://dc.example
        ldap-authn/base_dn: dc=example
        ldap-authn/bind_dn: cn=postern,dc=example
    - !variable bind-password
    - !group users
    - !permit { role: !group users, privileges: [ read, authenticate ], resource: !webservice }
- !policy
  id: conjur/authn-ldap/away
  body:
    - !webservice
      annotations: { ldap-authn/uri: ldaps://away.example, ldap-authn/base_dn: dc=example }
    - !permit { role: !user /dave, privileges: [ authenticate ], resource: !webservice }
- !user dave
- !user erin
- !grant { role: !group conjur/authn-ldap/corp/users, members: [ !user dave, !user erin, !host robot ] }
- !host aws/123456789012/app-role
- !host aws/123456789012/other-role
- !host aws/210987654321/app-role
- !host 123456789012/app-role
- !host aws/x123456789012/app-role
- !host aws/123456789012/APP-ROLE
- !host app-role
- !grant
  role: !group conjur/authn-iam/prod/apps
  members: [ !host aws/123456789012/app-role, !host aws/123456789012/other-role, !host aws/210987654321/app-role, !host 123456789012/app-role, !host aws/x123456789012/app-role, !host aws/123456789012/APP-ROLE, !host app-role ]
- !policy
  id: jwt
  body:
    - !host { id: shop, annotations: { authn-jwt/ci/project: shop, authn-jwt/ci/kubernetes.io/namespace: prod, authn-jwt/named/project: shop, authn-jwt/unset/project: shop } }
    - !host { id: wrong, annotations: { authn-jwt/ci/project: other } }
    - !host { id: absent, annotations: { authn-jwt/ci/branch: main } }
    - !host { id: number, annotations: { authn-jwt/ci/count: "3" } }
    - !host { id: bare }
    - !host { id: general, annotations: { authn-jwt/project: shop } }
    - !host { id: other-service, annotations: { authn-jwt/cd/project: shop } }
    - !host { id: empty, annotations: { authn-jwt/ci/project: "" } }
    - !host { id: reserved, annotations: { authn-jwt/ci/project: shop, authn-jwt/ci/iss: https://ci.example } }
    - !host { id: far, restricted_to: 10.0.0.0/8, annotations: { authn-jwt/ci/project: shop } }
    - !host { id: stranger, annotations: { authn-jwt/ci/project: shop, authn-jwt/named/project: stranger } }
    - !host { id: loose, annotations: { authn-jwt/named/ref: main } }
    - !group all
    - !grant { role: !group all, members: [ !host shop, !host wrong, !host absent, !host number, !host bare, !host general, !host other-service, !host empty, !host reserved, !host far, !host loose ] }
- !policy
  id: gcp
  body:
    - !host { id: vm, annotations: { authn-gcp/project-id: shop-prod, authn-gcp/instance-name: vm-1 } }
    - !host { id: account, annotations: { authn-gcp/service-account-id: "108551234567890", authn-gcp/service-account-email: vm@shop-prod.iam.gserviceaccount.com } }
    - !host { id: name-alone, annotations: { authn-gcp/instance-name: vm-1 } }
    - !host { id: bare }
    - !host { id: unknown, annotations: { authn-gcp/project-id: shop-prod, authn-gcp/zone: europe-west1-b } }
    - !host { id: wrong, annotations: { authn-gcp/project-id: shop-test } }
    - !host { id: special, annotations: { authn-gcp/prod/project-id: shop-prod } }
    - !host { id: stranger, annotations: { authn-gcp/project-id: shop-prod } }
    - !group all
    - !grant { role: !group all, members: [ !host vm, !host account, !host name-alone, !host bare, !host unknown, !host wrong, !host special ] }
- !user alice
- !user bob
- !user carol
- !host { id: robot }
- !grant { role: !group conjur/authn-jwt/ci/apps, member: !group jwt/all }
- !grant { role: !group conjur/authn-jwt/named/apps, member: !group jwt/all }
- !grant { role: !group conjur/authn-gcp/apps, member: !group gcp/all }
- !grant { role: !group conjur/authn-oidc/token/users, members: [ !user alice, !host robot ] }
- !grant { role: !group conjur/authn-oidc/web/users, member: !user alice }
- !permit { role: !user carol, privileges: [ read ], resource: !webservice conjur/authn-jwt/ci/status }
`;

export const loginValues: Readonly<Record<string, string>> = {
  "conjur/authn-jwt/ci/jwks-uri": ciKeys,
  "conjur/authn-jwt/ci/issuer": "https://ci.example",
  "conjur/authn-jwt/ci/audience": "postern",
  "conjur/authn-jwt/named/jwks-uri": ciKeys,
  "conjur/authn-jwt/named/issuer": "https://ci.example",
  "conjur/authn-jwt/named/token-app-property": "project",
  "conjur/authn-jwt/named/identity-path": "jwt",
  "conjur/authn-jwt/named/enforced-claims": "project",
  "conjur/authn-ldap/corp/bind-password": "canary-bind-password",
  "conjur/authn-oidc/token/provider-uri": staff,
  "conjur/authn-oidc/token/id-token-user-property": "username",
  "conjur/authn-oidc/token/audience": "postern-cli",
  "conjur/authn-oidc/web/provider-uri": staff,
  "conjur/authn-oidc/web/client-id": "postern-cli",
  "conjur/authn-oidc/web/client-secret": "canary-client-secret",
  "conjur/authn-oidc/web/claim-mapping": "username",
  "conjur/authn-oidc/web/redirect-uri": "http://127.0.0.1:8888/callback",
  "conjur/authn-oidc/web/token-ttl": "PT20M",
};
