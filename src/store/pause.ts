/** Lets requests through between two pages of background work: a promise that is resolved already would not. */
export function pause(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
