import { describe, expect, test } from "bun:test";
import { createLoads, id, role } from "./loads";

const authnAzure = `
- !policy
  id: conjur/authn-azure/AzureAE1
  body:
    - !webservice

    - !variable
      id: provider-uri

    - !group
      id: apps
      annotations:
        description: Group of hosts that can authenticate using the authn-azure/AzureAE1 authenticator

    - !permit
      role: !group apps
      privilege: [ read, authenticate ]
      resource: !webservice
`;

const azureApps = `
- !policy
  id: azure-apps
  body:
    - !group

    - &hosts
      - !host
        id: AD # the name of the machine
        annotations:
          authn-azure/subscription-id: 11111111-2222-3333-4444-555555555555
          # any resource group
          authn-azure/resource-group: 1.10
          authn-azure/system-assigned-identity: 0123

    - !grant
      role: !group
      members: *hosts

- !grant
  role: !group conjur/authn-azure/AzureAE1/apps
  member: !group azure-apps
`;

const secrets = `
- !policy
  id: secrets
  body:
    - !group consumers

    - !variable test-variable

    - !permit
      role: !group consumers
      privilege: [ read, execute ]
      resource: !variable test-variable

- !grant
  role: !group secrets/consumers
  member: !group azure-apps
`;

describe("the policies of the Azure walkthrough", () => {
  test("declare the authenticator with its webservice, variable, group and permits", () => {
    const loads = createLoads();
    loads.loaded(authnAzure);
    expect(loads.facts()).toEqual([
      "annotation group:conjur/authn-azure/AzureAE1/apps description=Group of hosts that can authenticate using the authn-azure/AzureAE1 authenticator",
      "grant group:conjur/authn-azure/AzureAE1/apps to policy:conjur/authn-azure/AzureAE1 ownership",
      "grant policy:conjur/authn-azure/AzureAE1 to user:admin ownership",
      "permit authenticate webservice:conjur/authn-azure/AzureAE1 to group:conjur/authn-azure/AzureAE1/apps",
      "permit read webservice:conjur/authn-azure/AzureAE1 to group:conjur/authn-azure/AzureAE1/apps",
      "resource group:conjur/authn-azure/AzureAE1/apps owner policy:conjur/authn-azure/AzureAE1",
      "resource policy:conjur/authn-azure/AzureAE1 owner user:admin",
      "resource variable:conjur/authn-azure/AzureAE1/provider-uri owner policy:conjur/authn-azure/AzureAE1",
      "resource webservice:conjur/authn-azure/AzureAE1 owner policy:conjur/authn-azure/AzureAE1",
    ]);
  });

  test("let the machine log in and fetch, one load after the other", () => {
    const loads = createLoads();
    loads.loaded(authnAzure);
    const hosts = loads.loaded(azureApps);
    loads.loaded(secrets);
    const machine = role("host:azure-apps/AD");
    expect(hosts.createdRoles).toEqual([machine]);
    expect(hosts.findings).toEqual([]);
    expect(hosts.warnings).toEqual([]);
    const graph = loads.graph();
    expect(graph.permits(machine, "authenticate", id("webservice:conjur/authn-azure/AzureAE1"))).toBeDefined();
    expect(graph.permits(machine, "execute", id("variable:secrets/test-variable"))).toBeDefined();
    expect(graph.permits(machine, "update", id("variable:secrets/test-variable"))).toBeUndefined();
    expect(graph.annotation(machine, "authn-azure/resource-group")?.value).toBe("1.10");
    expect(graph.annotation(machine, "authn-azure/system-assigned-identity")?.value).toBe("0123");
  });

  test("remember the branch, the load, and line and column of every fact", () => {
    const loads = createLoads();
    loads.loaded(azureApps.slice(0, azureApps.lastIndexOf("- !grant")));
    const machine = role("host:azure-apps/AD");
    const policy = role("policy:root");
    expect(loads.graph().resource(machine)).toMatchObject({ policy, origin: { version: 1, line: 8, column: 9 } });
    expect(loads.graph().annotation(machine, "authn-azure/resource-group")).toMatchObject({
      policy,
      origin: { version: 1, line: 13, column: 11 },
    });
    expect(loads.graph().grant(role("group:azure-apps"), machine, false)).toMatchObject({
      policy,
      origin: { version: 1, line: 16, column: 7 },
    });
  });

  test("accept a member written with its full path from the root", () => {
    const loads = createLoads();
    loads.loaded(authnAzure);
    loads.loaded(azureApps.replace("member: !group azure-apps", "member: !host azure-apps/AD"));
    expect(loads.facts()).toContain("grant group:conjur/authn-azure/AzureAE1/apps to host:azure-apps/AD");
  });
});

describe("a policy damaged on its way through a web page", () => {
  const damaged: readonly [string, string, number, RegExp, RegExp | undefined][] = [
    ["the body line is lost", authnAzure.replace("  body:\n", ""), 3, /does not fit/, /'body:' missing/],
    ["the body line is lost and the list indented as far", "- !policy\n  id: x\n  - !webservice\n", 3, /does not fit/, /'body:' missing/],
    ["a policy's content stands beside it", "- !policy\n  id: x\n- !webservice\n", 3, /webservice has a blank id/, undefined],
    ["all indentation is lost", "- !policy\nid: x\nbody:\n- !webservice\n", 2, /YAML/, /indented below/],
    [
      "the annotations line is lost",
      azureApps.replace("        annotations:\n", "").replaceAll("          authn", "        authn"),
      10,
      /No such attribute 'authn-azure\/subscription-id' on type Host/,
      /'annotations:' missing/,
    ],
    [
      "the annotations line is lost, the indentation not",
      "- !host\n  id: vm\n    authn-azure/subscription-id: x\n",
      2,
      /does not fit/,
      /'annotations:'/,
    ],
    [
      "annotations are a list",
      "- !host\n  id: vm\n  annotations:\n    - a: b\n",
      4,
      /Expected a mapping for field 'annotations'/,
      /without '-'/,
    ],
    ["a tab indents a line", "- !policy\n\tid: x\n", 2, /tab/, /spaces/],
    ["the hyphen is a dash", "- !group a\n– !group b\n", 2, /YAML/, /not a hyphen/],
    ["the first hyphen is a dash", "– !policy\n  id: x\n", 1, /YAML/, /not a hyphen/],
    ["the only hyphen is a dash", "– !group ops\n", 1, /list of statements/, /not a hyphen|'- !'|!group/],
    ["quotes are curly", "- !host\n  id: “vm”\n", 2, /typographic/, /straight/],
    [
      "a privilege is in curly quotes",
      "- !group g\n- !webservice w\n- !permit\n  role: !group g\n  privileges: [ “read” ]\n  resource: !webservice w\n",
      5,
      /typographic/,
      undefined,
    ],
    [
      "an annotation is in curly quotes",
      "- !host\n  id: vm\n  annotations:\n    authn-azure/resource-group: “rg”\n",
      4,
      /typographic/,
      /straight/,
    ],
    [
      "the ampersand is escaped",
      "- &amp;hosts\n  - !host x\n- !group g\n- !grant\n  role: !group g\n  members: *hosts\n",
      1,
      /'&amp;'/,
      /'&hosts'/,
    ],
    ["a value has a colon", "- !host\n  id: vm\n  annotations:\n    description: see: there\n", 4, /does not fit/, /quotes/],
    ["the tag has a space in it", "- ! group ops\n", 1, /Unrecognized data type '!'/, /space after '!'/],
    ["the exclamation mark is lost", "- user alice\n", 1, /without a tag/, /'!user alice'/],
    ["the tag is lost", "- id: x\n", 1, /without a tag/, undefined],
  ];

  test.each(damaged)("is refused, with the line, when %s", (_what, text, line, message, advice) => {
    const problems = createLoads().refused(text);
    const found = problems.find((problem) => problem.line === line);
    expect(found?.message ?? JSON.stringify(problems)).toMatch(message);
    if (advice !== undefined) expect(found?.advice ?? "no advice").toMatch(advice);
  });

  test("is accepted with a warning when only the comma between two privileges is lost", () => {
    const loads = createLoads();
    const { warnings } = loads.loaded(authnAzure.replace("[ read, authenticate ]", "[ read authenticate ]"));
    expect(loads.facts().filter((fact) => fact.startsWith("permit"))).toEqual([
      "permit read authenticate webservice:conjur/authn-azure/AzureAE1 to group:conjur/authn-azure/AzureAE1/apps",
    ]);
    expect(warnings.join()).toMatch(/Line 17: 'read authenticate' is one privilege/);
  });

  test("tells of every mistake at once", () => {
    const problems = createLoads().refused(
      "- !host\n  id: a\n  ownr: !group x\n- !grup b\n- !permit\n  role: !group c\n  privilegs: [read]\n  resource: !variable /v\n",
    );
    expect(problems.map(({ line, message }) => `${line} ${message}`)).toEqual([
      "3 No such attribute 'ownr' on type Host",
      "4 Unrecognized data type '!grup'",
      "5 Permit has no 'privilege'",
      "7 No such attribute 'privilegs' on type Permit",
    ]);
    expect(problems.map(({ advice }) => advice)).toEqual([
      "did you mean 'owner'?",
      "did you mean '!group'?",
      undefined,
      "did you mean 'privileges'?",
    ]);
  });
});
