/** An issuer of JWTs without a server: its keys stand in the variable `public-keys` of an authn-jwt service. */

import { generateRsa, signJws } from "../../../src/crypto/signing";
import { createClock } from "../../../src/runtime/clock";
import { jwtService } from "./policies";

export interface JwtIssuer {
  /** The values of the service's variables, by their ids. */
  readonly variables: readonly (readonly [id: string, value: string])[];
  /** A token for the project `pipeline`, good for five minutes. */
  token(): string;
  /** The same, signed by a key that the issuer has not. */
  forged(): string;
}

export async function createJwtIssuer(): Promise<JwtIssuer> {
  const [pair, stranger] = await Promise.all([generateRsa(), generateRsa()]);
  const issuer = "https://ci.example";
  const jwk = { ...pair.publicKey.export({ format: "jwk" }), kid: "k1", use: "sig", alg: "RS256" };
  const service = `conjur/authn-jwt/${jwtService}`;
  const sign = (key: typeof pair): string => {
    const nowSeconds = Math.floor(createClock().now() / 1000);
    const claims = { iss: issuer, project: "pipeline", ref: "main", iat: nowSeconds, nbf: nowSeconds, exp: nowSeconds + 300 };
    return signJws({ alg: "RS256", kid: "k1", typ: "JWT" }, claims, { method: "RS256", pair: key });
  };
  return {
    variables: [
      [`${service}/public-keys`, JSON.stringify({ type: "jwks", value: { keys: [jwk] } })],
      [`${service}/issuer`, issuer],
      [`${service}/token-app-property`, "project"],
    ],
    token: () => sign(pair),
    forged: () => sign(stranger),
  };
}
