/**
 * A directory of people on loopback, over TLS by an authority of its own: just enough LDAP to bind, to search and to be asked tricky questions (RFC 4511).
 * It answers from a list, evaluates filters as they arrive, and keeps what it was asked.
 */

import { createServer, type TLSSocket } from "node:tls";
import { createAuthority } from "../../src/crypto/certificate";

export interface Person {
  readonly dn: string;
  readonly password: string;
  readonly attributes: Readonly<Record<string, readonly string[]>>;
}

export interface FakeDirectory {
  readonly port: number;
  readonly rootPem: string;
  /** `bind uid=alice,…`, `search ou=people,… (&(uid=alice)(…))`, in order. */
  readonly asked: string[];
  /** Answers nothing any more, or again. */
  silence(isSilent: boolean): void;
  stop(): Promise<void>;
}

interface Element {
  readonly tag: number;
  readonly value: Buffer;
  readonly end: number;
}

const success = 0;
const invalidCredentials = 49;

export function startFakeDirectory(people: readonly Person[], names: readonly string[] = ["dc.example"]): Promise<FakeDirectory> {
  const now = Date.parse(new Date().toISOString());
  const authority = createAuthority({ name: "Directory's own authority", now });
  const { certificatePem: cert, privateKeyPem: key } = authority.issue({ dnsNames: names, ipAddresses: [], now, days: 2 });
  const asked: string[] = [];
  const sockets = new Set<TLSSocket>();
  let isSilent = false;

  function bind(operation: Buffer): Buffer {
    const [, dn, password] = elements(operation);
    const name = dn?.value.toString() ?? "";
    asked.push(`bind ${name}`);
    // As real ones do: a name with an empty password is nobody, and is let in.
    const isEmpty = password?.value.length === 0;
    const isRight = isEmpty || people.some((person) => person.dn === name && person.password === password?.value.toString());
    return element(0x61, result(isRight ? success : invalidCredentials));
  }

  function search(operation: Buffer): readonly Buffer[] {
    const [base, , , , , , filter] = elements(operation);
    if (filter === undefined || base === undefined) return [element(0x65, result(2))];
    asked.push(`search ${base.value.toString()} ${textOf(filter)}`);
    const found = people.filter((person) => person.dn.endsWith(base.value.toString()) && matches(filter, person));
    const entries = found.map(({ dn }) => element(0x64, Buffer.concat([element(0x04, Buffer.from(dn)), element(0x30, Buffer.alloc(0))])));
    return [...entries, element(0x65, result(success))];
  }

  function answer(message: Buffer): readonly Buffer[] {
    const [id, operation] = elements(message);
    if (id === undefined || operation === undefined || isSilent) return [];
    const wrapped = (body: Buffer) => element(0x30, Buffer.concat([element(0x02, id.value), body]));
    if (operation.tag === 0x60) return [wrapped(bind(operation.value))];
    if (operation.tag === 0x63) return search(operation.value).map(wrapped);
    return [];
  }

  const server = createServer({ key, cert }, (socket) => {
    let left = Buffer.alloc(0);
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("data", (data: Buffer) => {
      left = Buffer.concat([left, data]);
      for (let message = elementAt(left, 0); message !== undefined; message = elementAt(left, 0)) {
        left = left.subarray(message.end);
        for (const part of answer(message.value)) socket.write(part);
      }
    });
  });
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve({
        port: typeof address === "object" && address !== null ? address.port : 0,
        rootPem: authority.certificatePem,
        asked,
        silence(silent) {
          isSilent = silent;
        },
        async stop() {
          for (const socket of sockets) socket.destroy();
          server.close();
        },
      });
    });
  });
}

function matches({ tag, value }: Element, person: Person): boolean {
  if (tag === 0xa0) return elements(value).every((each) => matches(each, person));
  if (tag === 0xa1) return elements(value).some((each) => matches(each, person));
  if (tag === 0xa2) return elements(value).every((each) => !matches(each, person));
  const [name, wanted] = tag === 0x87 ? [{ value }, undefined] : elements(value);
  const values = person.attributes[name?.value.toString() ?? ""] ?? [];
  if (tag === 0xa3) return values.includes(wanted?.value.toString() ?? "");
  // Whether it is there at all, or any substring: what a blank cheque of a name would ask for.
  return values.length > 0;
}

function textOf({ tag, value }: Element): string {
  const sign = { 160: "&", 161: "|", 162: "!" }[tag];
  if (sign !== undefined) return `(${sign}${elements(value).map(textOf).join("")})`;
  if (tag === 0x87) return `(${value.toString()}=*)`;
  const [name, wanted] = elements(value);
  return tag === 0xa3 ? `(${name?.value.toString()}=${wanted?.value.toString()})` : `(${name?.value.toString()}~)`;
}

function result(code: number): Buffer {
  const nothing = element(0x04, Buffer.alloc(0));
  return Buffer.concat([element(0x0a, Buffer.from([code])), nothing, nothing]);
}

function element(tag: number, value: Buffer): Buffer {
  const length = value.length < 128 ? [value.length] : [0x82, value.length >> 8, value.length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), value]);
}

function elements(value: Buffer): readonly Element[] {
  const found: Element[] = [];
  for (let next = elementAt(value, 0); next !== undefined; next = elementAt(value, next.end)) found.push(next);
  return found;
}

function elementAt(bytes: Buffer, start: number): Element | undefined {
  const [tag, first] = [bytes[start], bytes[start + 1]];
  if (tag === undefined || first === undefined) return undefined;
  const extra = first < 128 ? 0 : first - 128;
  const begin = start + 2 + extra;
  const length = extra === 0 ? first : bytes.subarray(start + 2, begin).reduce((sum, byte) => sum * 256 + byte, 0);
  return bytes.length < begin + length ? undefined : { tag, value: bytes.subarray(begin, begin + length), end: begin + length };
}
