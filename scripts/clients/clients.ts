/**
 * The official clients that `./scripts/conformance` installs and runs, with the versions they are pinned to. The one place where a version is named; what
 * the package managers lock (go.sum, requirements.txt, the hash of a jar) stands beside each suite, and a test holds both to the same version.
 *
 * A new client is one entry here and one folder of its name below `test/conformance/` with files whose names end in `suite.ts`.
 */

/** How a client comes onto the machine. Each kind needs the programs of its name on the PATH and its own public registry. */
export type Source =
  /** Nothing to install: the suite sends what the client is known to send, byte for byte. */
  | { readonly kind: "recorded" }
  /** A program of the system, at whatever version it has. */
  | { readonly kind: "program"; readonly program: string }
  /**
   * Builds the `main` package beside the suite, whose go.mod requires the client. With the module's checksum in `cut`, `cut.ts` first takes the server out of
   * its sources. Needs go.
   */
  | { readonly kind: "go"; readonly cut?: string }
  /**
   * Makes a virtual environment from the suite's requirements.txt, hashes checked. Needs python3 with venv. With a `collection`, this one alone is taken out
   * of the package that collection.txt pins: all of Ansible's together are half a gigabyte.
   */
  | { readonly kind: "python"; readonly collection?: string }
  /** Installs what the suite's package-lock.json names. Needs npm and node, which also runs it. */
  | { readonly kind: "npm" }
  /** Fetches one jar with everything in it, checks its hash, and compiles the suite's `Driver.java` against it. Needs mvn, javac and java. */
  | { readonly kind: "maven"; readonly artifact: string; readonly sha256: string }
  /**
   * In no package registry, as released binaries alone: whoever has one names it in a variable of the environment. Its suite is written after its sources,
   * and says so where it has never run.
   */
  | { readonly kind: "given"; readonly variables: readonly string[] };

export interface Client {
  /** The folder of its suite below `test/conformance/`. */
  readonly name: string;
  /** As its registry knows it. */
  readonly package: string;
  readonly version: string;
  readonly protocol: "conjur" | "vault" | "azure";
  readonly source: Source;
}

export const clients: readonly Client[] = [
  { name: "conjur-curl", package: "curl", version: "the system's", protocol: "conjur", source: { kind: "program", program: "curl" } },
  {
    name: "conjur-powershell",
    package: "Invoke-RestMethod of PowerShell",
    version: "5.1, 7.4",
    protocol: "conjur",
    source: { kind: "recorded" },
  },
  {
    name: "conjur-api-go",
    package: "github.com/cyberark/conjur-api-go",
    version: "0.15.7",
    protocol: "conjur",
    source: { kind: "go" },
  },
  {
    name: "conjur-cli-go",
    package: "conjur-cli-go",
    version: "9.x",
    protocol: "conjur",
    source: { kind: "given", variables: ["CONFORMANCE_CONJUR"] },
  },
  {
    name: "summon",
    package: "summon, summon-conjur",
    version: "0.10.x, 0.8.x",
    protocol: "conjur",
    source: { kind: "given", variables: ["CONFORMANCE_SUMMON", "CONFORMANCE_SUMMON_CONJUR"] },
  },
  { name: "conjur-cli", package: "conjur", version: "7.1.0", protocol: "conjur", source: { kind: "python" } },
  { name: "conjur-api-python", package: "conjur-api", version: "0.2.0", protocol: "conjur", source: { kind: "python" } },
  {
    name: "conjur-ansible",
    package: "ansible",
    version: "11.13.0",
    protocol: "conjur",
    source: { kind: "python", collection: "cyberark/conjur" },
  },
  {
    name: "conjur-api-java",
    package: "com.cyberark.conjur.api:conjur-api",
    version: "3.0.3",
    protocol: "conjur",
    source: {
      kind: "maven",
      artifact: "com.cyberark.conjur.api:conjur-api:3.0.3:jar:with-dependencies",
      sha256: "dccdea728f00fb4ed8a42ab829d254d6aba003bede6dcbab947d279a1eb64796",
    },
  },
  { name: "vault-curl", package: "curl", version: "the system's", protocol: "vault", source: { kind: "program", program: "curl" } },
  { name: "vault-api-go", package: "github.com/hashicorp/vault/api", version: "1.23.0", protocol: "vault", source: { kind: "go" } },
  { name: "vault-agent", package: "github.com/hashicorp/vault", version: "1.14.0", protocol: "vault", source: { kind: "go" } },
  {
    name: "bao-cli",
    package: "github.com/openbao/openbao",
    version: "0.0.0-20250828202315-f9407a27fbee",
    protocol: "vault",
    source: { kind: "go", cut: "h1:TqHCYIwKxup9rYGBlqYdC23EdZ0q5QJCa1KYVyVWyDU=" },
  },
  { name: "hvac", package: "hvac", version: "2.4.0", protocol: "vault", source: { kind: "python" } },
  { name: "azure-identity-python", package: "azure-identity", version: "1.27.0", protocol: "azure", source: { kind: "python" } },
  { name: "node-vault", package: "node-vault", version: "0.12.0", protocol: "vault", source: { kind: "npm" } },
  {
    name: "vault-java-driver",
    package: "io.github.jopenlibs:vault-java-driver",
    version: "6.2.0",
    protocol: "vault",
    source: {
      kind: "maven",
      artifact: "io.github.jopenlibs:vault-java-driver:6.2.0:jar",
      sha256: "e7939ef533efac0365c012990d1057d22d5d2fd4d3cd9fb675783b49ea516801",
    },
  },
];
