/** Until when the certificate of a server is good. */

import { connect } from "node:tls";
import ipaddr from "ipaddr.js";
import type { Instant } from "../model/types";

export interface CertificateOptions {
  readonly host: string;
  readonly port: number;
  /** Certificates (PEM) that alone vouch for the server; default the system's. */
  readonly roots?: string;
}

const timeoutMs = 5000;

/** Undefined where it cannot be told: nobody answers, or the certificate is not vouched for. */
export function certificateEnd({ host, port, roots }: CertificateOptions): Promise<Instant | undefined> {
  return new Promise((resolve) => {
    const name = ipaddr.isValid(host) ? {} : { servername: host };
    const trust = roots === undefined ? {} : { ca: [roots] };
    const socket = connect({ host, port, rejectUnauthorized: true, ...name, ...trust });
    const finish = (end?: number): void => {
      socket.destroy();
      resolve(end === undefined || Number.isNaN(end) ? undefined : end);
    };
    socket.setTimeout(timeoutMs, () => finish());
    socket.once("error", () => finish());
    socket.once("secureConnect", () => finish(Date.parse(socket.getPeerCertificate().valid_to)));
  });
}
