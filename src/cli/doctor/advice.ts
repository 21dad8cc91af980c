/** What the reasons of failures mean to who runs a machine, and the commands that mend them. */

import type { Advice } from "./finding";

type Table = Readonly<Record<string, Advice>>;

const wrongAnswer: Advice = {
  cause: "what answers at the Arc agent's port does not behave as the agent: it may be another program",
  remedy: "ss -ltnp 'sport = :40342'      # who listens there\nazcmagent show",
};

const ofArc: Table = {
  connect: { cause: "the Arc agent (himds) does not run", remedy: "systemctl enable --now himdsd && azcmagent show" },
  timeout: { cause: "the Arc agent (himds) does not answer in time", remedy: "systemctl restart himdsd && azcmagent show" },
  challenge_file_not_permitted: {
    cause: "this user may not read the agent's challenge files: root and the group himds may",
    remedy: 'usermod -aG himds "$USER"      # as root; then log in anew, for a running session keeps its groups',
  },
  challenge_folder: {
    cause:
      "the folder of the agent's challenge files, or one above it, is a link or can be changed by others, who could put other files there",
    remedy: "namei -l /var/opt/azcmagent/tokens      # each must be root's or the agent's, and nobody else's to write",
  },
  challenge_missing: wrongAnswer,
  challenge_path: wrongAnswer,
  challenge_file: wrongAnswer,
  challenge_content: wrongAnswer,
};

const unreachable: Advice = {
  cause: "nothing answers at the metadata service's address: this is no Azure VM, or something keeps its packets back",
  remedy:
    "curl -sS -H Metadata:true --noproxy '*' 'http://169.254.169.254/metadata/instance?api-version=2021-02-01'\nazcmagent show      # on a machine outside Azure",
};

const ofImds: Table = { connect: unreachable, timeout: unreachable };

const ofAny: Table = {
  http_400_invalid_request: {
    cause: "the machine has no identity, or not the one that was chosen",
    remedy: "az vm identity assign --resource-group GROUP --name VM",
  },
  identity_mismatch: {
    cause: "the endpoint gave a token of another identity than the one that was chosen",
    remedy: "az vm identity show --resource-group GROUP --name VM      # then --client-id with one that is there",
  },
  token_audience: { cause: "the endpoint gave a token for another audience than was asked for", remedy: "postern login … --audience URI" },
  token_expired: {
    cause: "the token has ended already: an old one, or this machine's clock is ahead",
    remedy: "timedatectl set-ntp true && timedatectl",
  },
  http_429: {
    cause: "the endpoint is asked too often, by all programs of this machine together",
    remedy: "wait a minute, then postern doctor",
  },
  http_410: { cause: "the metadata service is being updated", remedy: "wait a minute, then postern doctor" },
  challenge_file_not_permitted: ofArc.challenge_file_not_permitted ?? {},
};

/** `source` is who hands out tokens here: `arc`. `because` is why there is none. */
export function tokenAdvice(source: string, because: string): Advice {
  const table = source === "arc" ? ofArc : source === "imds" ? ofImds : {};
  const known = table[because] ?? ofAny[because] ?? ofAny[because.replace(/^(http_\d{3})_.*$/u, "$1")];
  if (known !== undefined) return known;
  if (/^http_5/u.test(because)) return { cause: `the endpoint itself fails (${because})`, remedy: "wait a minute, then postern doctor" };
  return { cause: because };
}

/** Why a server could not be asked, by the reasons of the way out. */
export function lineAdvice(url: URL, because: string): Advice & { readonly check: "dns" | "tls" | "connection" } {
  const { hostname, host } = url;
  const port = url.port === "" ? (url.protocol === "https:" ? "443" : "80") : url.port;
  switch (because) {
    case "dns":
      return { check: "dns", cause: `the name ${hostname} leads to no address`, remedy: `getent hosts ${hostname}\ncat /etc/resolv.conf` };
    case "tls":
      return {
        check: "tls",
        cause: "the server's certificate is not vouched for by those that are trusted, has ended, or is of another name",
        remedy: `openssl s_client -connect ${hostname}:${port} -servername ${hostname} </dev/null | openssl x509 -noout -subject -issuer -dates -ext subjectAltName\npostern login … --ca-cert FILE      # with the server's own, or its authority's`,
      };
    case "connect":
      return {
        check: "connection",
        cause: `nobody takes connections at ${hostname}, port ${port}, or something between here and there keeps them back`,
        remedy: `nc -vz ${hostname} ${port}`,
      };
    case "timeout":
      return {
        check: "connection",
        cause: `no answer from ${host} in time`,
        remedy: `nc -vz ${hostname} ${port}\ncurl -sv https://${host}/`,
      };
    case "redirect":
      return {
        check: "connection",
        cause: "the answer leads elsewhere: is this the server's own address, or that of a portal before it?",
        remedy: `curl -sSI https://${host}/whoami`,
      };
    default:
      return { check: "connection", cause: because };
  }
}
