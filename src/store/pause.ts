/** One turn of the event loop. Between two pages of background work it lets requests through, which a promise that is resolved already would not. */
export function pause(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
