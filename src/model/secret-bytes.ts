/**
 * Bytes that must not be printed: a secret's value, an API key, a token. Every way of turning one into text gives `[redacted]`.
 */

const inspect = Symbol.for("nodejs.util.inspect.custom");
const shown = "[redacted]";

export class SecretBytes {
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** From text, as UTF-8. */
  static ofText(text: string): SecretBytes {
    return new SecretBytes(Buffer.from(text, "utf8"));
  }

  get byteLength(): number {
    return this.#bytes.byteLength;
  }

  /** The bytes themselves, not a copy. Only the few places that must handle them may call this. */
  reveal(): Uint8Array {
    return this.#bytes;
  }

  toString(): string {
    return shown;
  }

  toJSON(): string {
    return shown;
  }

  [inspect](): string {
    return shown;
  }
}
